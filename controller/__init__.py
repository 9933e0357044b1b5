"""The controller: decides who is owed what, and makes carriers, hubs and messages follow."""
