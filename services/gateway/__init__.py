"""The public REST interface and the web page. Knows no model and no vector store: it asks the services that do."""
