"""report.html: the page in one file that opens offline, with charts and a case explorer."""
