"""A report as a page or as markdown: one record of `mosaic.app.report`, rendered."""
