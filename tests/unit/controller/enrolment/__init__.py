"""Who hubs are: claim codes, certificates, revocation lists, doorbells."""
