# mdoc, installed as they are; tests/docs/manpages.sh holds them to the code.
# Not dist_: of man pages that would leave the other half out of the tarball.
CLIENT_PAGES = man/tse.8 man/tse-up.8 man/tse-down.8 man/tsectl.8 man/tse.conf.5
SERVER_PAGES = man/tscfd.8 man/tscfctl.8 man/tscfd.conf.5 man/tscf-pki.8
PROTOCOL_PAGES = man/tscf.7
EXTRA_DIST += $(CLIENT_PAGES) $(SERVER_PAGES) $(PROTOCOL_PAGES)

man_MANS = $(PROTOCOL_PAGES)
if CLIENT
man_MANS += $(CLIENT_PAGES)
endif
if SERVER
man_MANS += $(SERVER_PAGES)
endif
