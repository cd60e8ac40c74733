# mdoc, installed as they are; tests/docs/manpages.sh holds them to the code.
if CLIENT
dist_man_MANS += man/tse.8 man/tse-up.8 man/tse-down.8 man/tsectl.8 man/tse.conf.5
endif
if SERVER
dist_man_MANS += man/tscfd.8 man/tscfctl.8 man/tscfd.conf.5 man/tscf-pki.8
endif
