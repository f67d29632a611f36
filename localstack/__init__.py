"""The local stack: real servers and our own processes, started when needed and stopped completely."""
