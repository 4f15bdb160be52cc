"""HTML pages of the reports: page frame, tables, charts as inline SVG."""
