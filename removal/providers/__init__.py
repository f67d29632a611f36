"""One module per removal API, under the name that `REMOVAL_PROVIDER` gives; `removal/provider.py` says what it has."""
