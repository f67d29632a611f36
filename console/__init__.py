"""What people and shops reach over HTTP: webhooks, artifacts, the REST API."""
