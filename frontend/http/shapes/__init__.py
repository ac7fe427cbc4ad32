"""The shapes of the answers, for the OpenAPI document and for tests that compare the answers with it."""
