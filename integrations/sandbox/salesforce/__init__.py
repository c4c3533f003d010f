"""The sandbox's Salesforce: one org, its records and its REST API."""
