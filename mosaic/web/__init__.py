"""The board in the browser: a face beside the command line. It calls `mosaic.app` only."""
