"""One description of every setting, for records, files, the command line, pages and docs."""
