"""From a source to due jobs: catalogue readers, intake, and the dispatcher that feeds the queue."""
