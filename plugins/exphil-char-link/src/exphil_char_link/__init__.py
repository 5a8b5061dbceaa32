"""Link and Young Link for ExPhil: the preset `link` and the character feature `item-tracking`."""
