"""What hurts, made anew: pictures, tables and requests, each let loose on the real thing within limits of memory."""
