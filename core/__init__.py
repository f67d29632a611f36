"""The leaf room: settings, states, errors, clock and logs. Imports no other room."""
