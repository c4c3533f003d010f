"""The sandbox's Slack: one workspace, its channels and its Web API."""
