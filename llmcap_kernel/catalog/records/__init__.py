"""Records of the catalogue by their names, a file a kind; `catalog` hands them on."""
