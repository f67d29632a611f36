"""What a person or program may do to batches, photos, connections, tokens and people: one function an action.

Each takes a connection, who acts, and its arguments; writes its line of the audit log in the same transaction, unless
it changed nothing; and says why not by an error with words. Command line, REST and pages parse, call, and word the
result.
"""
