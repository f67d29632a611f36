"""The leaf room: settings, states, errors, logs and names on the broker. Imports no other room."""
