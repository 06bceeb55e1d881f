"""A page that runs an exported model in the browser, and the server on this computer that hands it out."""
