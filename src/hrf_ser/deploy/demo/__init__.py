"""A page that runs an exported model in the browser, and the local server that serves it."""
