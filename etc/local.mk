# What is installed as it is, and the units, which name the programs' folder.
UNIT_TEMPLATES = etc/systemd/tse@.service.in etc/systemd/tscfd.service.in
EXTRA_DIST += $(UNIT_TEMPLATES) tests/docs/notify_socket.c

make_unit = $(AM_V_GEN)$(MKDIR_P) etc/systemd && $(SED) 's,@sbindir[@],$(sbindir),'

etc/systemd/tse@.service: $(srcdir)/etc/systemd/tse@.service.in Makefile
	$(make_unit) $(srcdir)/etc/systemd/tse@.service.in >$@

etc/systemd/tscfd.service: $(srcdir)/etc/systemd/tscfd.service.in Makefile
	$(make_unit) $(srcdir)/etc/systemd/tscfd.service.in >$@

sysusersdir = $(prefix)/lib/sysusers.d
dist_sysusers_DATA = etc/sysusers.d/tscf.conf

# Those who manage networks leave the tunnel's interfaces, rules and routes alone.
# NetworkManager looks below /etc and /usr/lib alone, whatever the prefix here.
nmconfdir = $(sysconfdir)/NetworkManager/conf.d
dist_nmconf_DATA = etc/NetworkManager/90-tscf.conf
networkdconfdir = $(prefix)/lib/systemd/networkd.conf.d
dist_networkdconf_DATA = etc/networkd/90-tscf.conf
networkdnetworkdir = $(prefix)/lib/systemd/network
dist_networkdnetwork_DATA = etc/networkd/05-tscf.network

completionsdir = $(datadir)/bash-completion/completions
dist_completions_DATA =
examplesdir = $(docdir)/examples
dist_examples_DATA =
hooksdir = $(examplesdir)/hooks.d
dist_hooks_DATA =
systemdsystemunit_DATA =
dist_systemdsystemunit_DATA =
rtprotosdir = $(sysconfdir)/iproute2/rt_protos.d
dist_rtprotos_DATA =
rttablesdir = $(sysconfdir)/iproute2/rt_tables.d
dist_rttables_DATA =

if CLIENT
dist_completions_DATA += etc/completion/tse-up etc/completion/tse-down etc/completion/tsectl
dist_examples_DATA += etc/tse.conf.example
dist_hooks_DATA += etc/hooks.d/README etc/hooks.d/asterisk.example \
	etc/hooks.d/baresip.example etc/hooks.d/linphone.example
systemdsystemunit_DATA += etc/systemd/tse@.service
dist_systemdsystemunit_DATA += etc/systemd/tse-tunnel.target
dist_rtprotos_DATA += etc/rt_protos.d/tse.conf
dist_rttables_DATA += etc/rt_tables.d/tse.conf
endif

if SERVER
dist_completions_DATA += etc/completion/tscfctl etc/completion/tscf-pki
dist_examples_DATA += etc/tscfd.conf.example
systemdsystemunit_DATA += etc/systemd/tscfd.service
dist_systemdsystemunit_DATA += etc/systemd/tscfd.socket
endif

CLEANFILES += $(systemdsystemunit_DATA)
