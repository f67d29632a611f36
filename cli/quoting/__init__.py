"""What a batch would cost, told and agreed to before anything is paid for."""
