# Unit tests link the pure library alone; io tests link what they test; shell
# tests speak TAP and use real network namespaces.

EXTRA_DIST += tests/netns tests/fuzz/corpus tests/io/make-certs
# By name: where they are compiled there is more in a folder than its sources.
EXTRA_DIST += \
	tests/tools/activate.py \
	tests/tools/bulk.c \
	tests/tools/first_answer.c \
	tests/tools/forge.c \
	tests/tools/hostile_peer.py \
	tests/tools/hostile_proxy.py \
	tests/tools/insist.c \
	tests/tools/link.c \
	tests/tools/link.h \
	tests/tools/linkemu.c \
	tests/tools/middlebox.py \
	tests/tools/plain_eftf.py \
	tests/tools/plain_ue.py \
	tests/tools/plain_wire.py \
	tests/tools/playout.c \
	tests/tools/playout.h \
	tests/tools/proxy_connect.c \
	tests/tools/rtp_peer.c \
	tests/tools/rtp_peer.h \
	tests/tools/rtp_stream.c \
	tests/tools/slept.c \
	tests/tools/speech.py \
	tests/tools/transfer.c \
	tests/tools/udp_rate.c \
	tests/tools/udp_train.py \
	tests/tools/voice_meter.c \
	tests/tools/voice_shape.c \
	tests/tools/voice_shape.h \
	tests/bench/RESULTS.md \
	tests/bench/VOICE.md \
	tests/bench/VOICE.svg \
	tests/bench/aead.sh \
	tests/bench/first-packet.sh \
	tests/bench/many.c \
	tests/bench/many.sh \
	tests/bench/many_calls.c \
	tests/bench/many_calls.h \
	tests/bench/many_report.py \
	tests/bench/many_server.c \
	tests/bench/many_server.h \
	tests/bench/many_tunnel.c \
	tests/bench/many_tunnel.h \
	tests/bench/measure.sh \
	tests/bench/micro.c \
	tests/bench/null_tls.c \
	tests/bench/peers.sh \
	tests/bench/report.py \
	tests/bench/tls_memory.c \
	tests/bench/uring.c \
	tests/bench/voice.gnuplot \
	tests/bench/voice_cells.sh \
	tests/bench/voice_many.sh \
	tests/bench/voice_report.py

TEST_EXTENSIONS = .sh
SH_LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
AM_TESTS_ENVIRONMENT = BUILD='$(abs_top_builddir)' SOURCE='$(abs_top_srcdir)'; export BUILD SOURCE;

dist_check_SCRIPTS = \
	tests/netns/attacks.sh \
	tests/netns/baresip.sh \
	tests/netns/beforehand.sh \
	tests/netns/bench.sh \
	tests/netns/call.sh \
	tests/netns/certificates.sh \
	tests/netns/coexist.sh \
	tests/netns/dns.sh \
	tests/netns/drain.sh \
	tests/netns/families.sh \
	tests/netns/firewall.sh \
	tests/netns/frail.sh \
	tests/netns/handover.sh \
	tests/netns/hostile.sh \
	tests/netns/identities.sh \
	tests/netns/idle.sh \
	tests/netns/indication.sh \
	tests/netns/lanes.sh \
	tests/netns/leaks.sh \
	tests/netns/linkemu.sh \
	tests/netns/networks-open.sh \
	tests/netns/networks-proxy.sh \
	tests/netns/networks-strict.sh \
	tests/netns/offload.sh \
	tests/netns/outage.sh \
	tests/netns/packets.sh \
	tests/netns/pki.sh \
	tests/netns/plain-eftf.sh \
	tests/netns/plain.sh \
	tests/netns/priority.sh \
	tests/netns/proxies.sh \
	tests/netns/recovery.sh \
	tests/netns/refusals.sh \
	tests/netns/reload.sh \
	tests/netns/restart.sh \
	tests/netns/selectors.sh \
	tests/netns/steering.sh \
	tests/netns/survival.sh \
	tests/netns/tls-rules.sh \
	tests/netns/tools.sh \
	tests/netns/workers.sh \
	tests/docs/manpages.sh \
	tests/docs/systemd.sh
SHELL_TESTS = $(dist_check_SCRIPTS)

if CUNIT
check_LIBRARIES += libunit.a libfixture.a
libunit_a_CPPFLAGS = $(UNIT_CPPFLAGS)
libunit_a_SOURCES = tests/unit/unit.c tests/unit/unit.h
libfixture_a_CPPFLAGS = $(UNIT_CPPFLAGS)
libfixture_a_SOURCES = \
	tests/unit/dice.h \
	tests/unit/hex.h \
	tests/unit/sched_fixture.c \
	tests/unit/sched_fixture.h \
	tests/unit/superpacket.c \
	tests/unit/superpacket.h \
	tests/unit/traversal_script.c \
	tests/unit/traversal_script.h

UNIT_TESTS = \
	tests/unit/test_address \
	tests/unit/test_backoff \
	tests/unit/test_base64 \
	tests/unit/test_call \
	tests/unit/test_class_rule \
	tests/unit/test_classify \
	tests/unit/test_coalesce \
	tests/unit/test_codel \
	tests/unit/test_config \
	tests/unit/test_config_files \
	tests/unit/test_control \
	tests/unit/test_control_decode \
	tests/unit/test_copies \
	tests/unit/test_counters \
	tests/unit/test_delay \
	tests/unit/test_dhcp4 \
	tests/unit/test_dhcp6 \
	tests/unit/test_emodel \
	tests/unit/test_envelope \
	tests/unit/test_frail \
	tests/unit/test_hook_message \
	tests/unit/test_http_answer \
	tests/unit/test_keepalive \
	tests/unit/test_lane_choice \
	tests/unit/test_lane_demand \
	tests/unit/test_lane_loss \
	tests/unit/test_lease_store \
	tests/unit/test_link \
	tests/unit/test_mss \
	tests/unit/test_ndp \
	tests/unit/test_offload \
	tests/unit/test_pace \
	tests/unit/test_packet \
	tests/unit/test_packet_icmp \
	tests/unit/test_plain_client \
	tests/unit/test_plain_server \
	tests/unit/test_playout \
	tests/unit/test_pool \
	tests/unit/test_question \
	tests/unit/test_rate_limit \
	tests/unit/test_sched \
	tests/unit/test_sched_bulk \
	tests/unit/test_segment \
	tests/unit/test_silence \
	tests/unit/test_sip \
	tests/unit/test_sip_dns \
	tests/unit/test_sip_lease \
	tests/unit/test_slab \
	tests/unit/test_stun \
	tests/unit/test_text \
	tests/unit/test_traversal \
	tests/unit/test_traversal_random \
	tests/unit/test_traversal_tunnel \
	tests/unit/test_traversal_words \
	tests/unit/test_tscfd_config \
	tests/unit/test_tse_config \
	tests/unit/test_voice_shape
UNIT_LDADD = libfixture.a libunit.a libcore.a $(CUNIT_LIBS) $(INIH_LIBS)
UNIT_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit $(CUNIT_CFLAGS)

tests_unit_test_address_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_address_LDADD = $(UNIT_LDADD)
tests_unit_test_backoff_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_backoff_LDADD = $(UNIT_LDADD)
tests_unit_test_base64_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_base64_LDADD = $(UNIT_LDADD)
tests_unit_test_call_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_call_LDADD = $(UNIT_LDADD)
tests_unit_test_class_rule_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_class_rule_LDADD = $(UNIT_LDADD)
tests_unit_test_classify_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_classify_LDADD = $(UNIT_LDADD)
tests_unit_test_coalesce_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_coalesce_LDADD = $(UNIT_LDADD)
tests_unit_test_codel_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_codel_LDADD = $(UNIT_LDADD)
tests_unit_test_config_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_config_LDADD = $(UNIT_LDADD)
tests_unit_test_config_files_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_config_files_LDADD = $(UNIT_LDADD)
tests_unit_test_control_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_control_LDADD = $(UNIT_LDADD)
tests_unit_test_control_decode_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_control_decode_LDADD = $(UNIT_LDADD)
tests_unit_test_copies_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_copies_LDADD = $(UNIT_LDADD)
tests_unit_test_counters_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_counters_LDADD = $(UNIT_LDADD)
tests_unit_test_delay_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_delay_LDADD = $(UNIT_LDADD)
tests_unit_test_dhcp4_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_dhcp4_LDADD = $(UNIT_LDADD)
tests_unit_test_dhcp6_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_dhcp6_LDADD = $(UNIT_LDADD)
tests_unit_test_emodel_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_emodel_LDADD = $(UNIT_LDADD)
tests_unit_test_envelope_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_envelope_LDADD = $(UNIT_LDADD)
tests_unit_test_frail_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_frail_LDADD = $(UNIT_LDADD)
tests_unit_test_hook_message_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_hook_message_LDADD = $(UNIT_LDADD)
tests_unit_test_http_answer_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_http_answer_LDADD = $(UNIT_LDADD)
tests_unit_test_keepalive_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_keepalive_LDADD = $(UNIT_LDADD)
tests_unit_test_lane_choice_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_choice_LDADD = $(UNIT_LDADD)
tests_unit_test_lane_demand_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_demand_LDADD = $(UNIT_LDADD)
tests_unit_test_lane_loss_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lane_loss_LDADD = $(UNIT_LDADD)
tests_unit_test_lease_store_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lease_store_LDADD = $(UNIT_LDADD)
tests_unit_test_link_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_link_LDADD = $(UNIT_LDADD)
tests_unit_test_link_SOURCES = tests/unit/test_link.c tests/tools/link.c
tests_unit_test_mss_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_mss_LDADD = $(UNIT_LDADD)
tests_unit_test_ndp_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_ndp_LDADD = $(UNIT_LDADD)
tests_unit_test_offload_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_offload_LDADD = $(UNIT_LDADD)
tests_unit_test_pace_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pace_LDADD = $(UNIT_LDADD)
tests_unit_test_packet_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_packet_LDADD = $(UNIT_LDADD)
tests_unit_test_packet_icmp_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_packet_icmp_LDADD = $(UNIT_LDADD)
tests_unit_test_plain_client_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_plain_client_LDADD = $(UNIT_LDADD)
tests_unit_test_plain_server_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_plain_server_LDADD = $(UNIT_LDADD)
tests_unit_test_playout_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_playout_LDADD = $(UNIT_LDADD)
tests_unit_test_playout_SOURCES = tests/unit/test_playout.c tests/tools/playout.c
tests_unit_test_pool_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pool_LDADD = $(UNIT_LDADD)
tests_unit_test_question_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_question_LDADD = $(UNIT_LDADD)
tests_unit_test_rate_limit_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_rate_limit_LDADD = $(UNIT_LDADD)
tests_unit_test_sched_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sched_LDADD = $(UNIT_LDADD)
tests_unit_test_sched_bulk_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sched_bulk_LDADD = $(UNIT_LDADD)
tests_unit_test_segment_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_segment_LDADD = $(UNIT_LDADD)
tests_unit_test_silence_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_silence_LDADD = $(UNIT_LDADD)
tests_unit_test_sip_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sip_LDADD = $(UNIT_LDADD)
tests_unit_test_sip_dns_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sip_dns_LDADD = $(UNIT_LDADD)
tests_unit_test_sip_lease_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_sip_lease_LDADD = $(UNIT_LDADD)
tests_unit_test_slab_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_slab_LDADD = $(UNIT_LDADD)
tests_unit_test_stun_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_stun_LDADD = $(UNIT_LDADD)
tests_unit_test_text_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_text_LDADD = $(UNIT_LDADD)
tests_unit_test_traversal_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_traversal_LDADD = $(UNIT_LDADD)
tests_unit_test_traversal_random_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_traversal_random_LDADD = $(UNIT_LDADD)
tests_unit_test_traversal_tunnel_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_traversal_tunnel_LDADD = $(UNIT_LDADD)
tests_unit_test_traversal_words_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_traversal_words_LDADD = $(UNIT_LDADD)
tests_unit_test_tscfd_config_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_tscfd_config_LDADD = $(UNIT_LDADD)
tests_unit_test_tse_config_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_tse_config_LDADD = $(UNIT_LDADD)
tests_unit_test_voice_shape_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_voice_shape_LDADD = $(UNIT_LDADD)
tests_unit_test_voice_shape_SOURCES = tests/unit/test_voice_shape.c tests/tools/voice_shape.c

check_LIBRARIES += libiotest.a
libiotest_a_CPPFLAGS = $(IO_TEST_CPPFLAGS)
libiotest_a_SOURCES = \
	tests/io/dns_server.c \
	tests/io/dns_server.h \
	tests/io/lab.c \
	tests/io/lab.h \
	tests/io/probe_server.c \
	tests/io/probe_server.h \
	tests/io/stall.c \
	tests/io/stall.h \
	tests/io/steer_fixture.c \
	tests/io/steer_fixture.h \
	tests/io/tls_pair.c \
	tests/io/tls_pair.h

IO_TESTS = \
	tests/io/test_aead \
	tests/io/test_certificate \
	tests/io/test_control_socket \
	tests/io/test_ctl_words \
	tests/io/test_dial \
	tests/io/test_hooks \
	tests/io/test_keeper \
	tests/io/test_lane_tcp \
	tests/io/test_netlink \
	tests/io/test_netmon \
	tests/io/test_notify \
	tests/io/test_portal \
	tests/io/test_probe \
	tests/io/test_proxy_dial \
	tests/io/test_proxy_find \
	tests/io/test_sandbox \
	tests/io/test_segments \
	tests/io/test_sip_locate \
	tests/io/test_sock_destroy \
	tests/io/test_state \
	tests/io/test_steer \
	tests/io/test_steer_host \
	tests/io/test_steer_policy \
	tests/io/test_tls \
	tests/io/test_tls_openssl \
	tests/io/test_tls_stream \
	tests/io/test_tun \
	tests/io/test_turns
IO_TEST_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/tests/io $(WOLFSSL_CFLAGS) $(NL_CFLAGS) $(JANSSON_CFLAGS)
IO_TEST_OURS = libiotest.a libunit.a libctl.a libio.a libcore.a $(CUNIT_LIBS)
IO_TEST_LDADD = $(IO_TEST_OURS) $(LIBRARIES_THEIRS)

tests_io_test_aead_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_aead_LDADD = $(IO_TEST_LDADD)
tests_io_test_certificate_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_certificate_LDADD = $(IO_TEST_LDADD)
tests_io_test_control_socket_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_control_socket_LDADD = $(IO_TEST_LDADD)
tests_io_test_ctl_words_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_ctl_words_LDADD = $(IO_TEST_LDADD)
tests_io_test_dial_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_dial_LDADD = $(IO_TEST_LDADD)
tests_io_test_hooks_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_hooks_LDADD = $(IO_TEST_LDADD)
tests_io_test_keeper_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_keeper_LDADD = $(IO_TEST_LDADD)
tests_io_test_lane_tcp_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_lane_tcp_LDADD = $(IO_TEST_LDADD)
tests_io_test_netlink_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_netlink_LDADD = $(IO_TEST_LDADD)
tests_io_test_netmon_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_netmon_LDADD = $(IO_TEST_LDADD)
tests_io_test_notify_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_notify_LDADD = $(IO_TEST_LDADD)
tests_io_test_portal_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_portal_LDADD = $(IO_TEST_LDADD)
tests_io_test_probe_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_probe_LDADD = $(IO_TEST_LDADD)
tests_io_test_proxy_dial_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_proxy_dial_LDADD = $(IO_TEST_LDADD)
tests_io_test_proxy_find_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_proxy_find_LDADD = $(IO_TEST_OURS) $(LIBRARIES_BUT_PROXY)
tests_io_test_sandbox_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_sandbox_LDADD = $(IO_TEST_LDADD)
tests_io_test_segments_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_segments_LDADD = libfixture.a $(IO_TEST_LDADD)
tests_io_test_sip_locate_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_sip_locate_LDADD = $(IO_TEST_LDADD)
tests_io_test_sock_destroy_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_sock_destroy_LDADD = $(IO_TEST_LDADD)
tests_io_test_state_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_state_LDADD = $(IO_TEST_LDADD)
tests_io_test_state_SOURCES = tests/io/test_state.c src/tscfd/state.c
tests_io_test_steer_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_steer_LDADD = $(IO_TEST_LDADD)
tests_io_test_steer_SOURCES = tests/io/test_steer.c src/tse/steer.c src/tse/steer_beforehand.c src/tse/steer_policy.c src/tse/steer_sync.c src/tse/steer_wanted.c
tests_io_test_steer_host_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_steer_host_LDADD = $(IO_TEST_LDADD)
tests_io_test_steer_host_SOURCES = tests/io/test_steer_host.c src/tse/steer.c src/tse/steer_beforehand.c src/tse/steer_policy.c src/tse/steer_sync.c src/tse/steer_wanted.c
tests_io_test_steer_policy_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_steer_policy_LDADD = $(IO_TEST_LDADD)
tests_io_test_steer_policy_SOURCES = tests/io/test_steer_policy.c src/tse/steer.c src/tse/steer_beforehand.c src/tse/steer_policy.c src/tse/steer_sync.c src/tse/steer_wanted.c
tests_io_test_tls_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_tls_LDADD = $(IO_TEST_LDADD)
tests_io_test_tls_openssl_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_tls_openssl_LDADD = $(IO_TEST_LDADD)
tests_io_test_tls_stream_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_tls_stream_LDADD = $(IO_TEST_LDADD)
tests_io_test_tun_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_tun_LDADD = $(IO_TEST_LDADD)
tests_io_test_turns_CPPFLAGS = $(IO_TEST_CPPFLAGS)
tests_io_test_turns_LDADD = libtunnel.a $(IO_TEST_LDADD)

check_PROGRAMS += $(UNIT_TESTS) $(IO_TESTS)
TESTS += $(UNIT_TESTS) $(IO_TESTS)
endif

# They need both halves.
if CLIENT
if SERVER
TESTS += $(SHELL_TESTS)
endif
endif

if FUZZ
FUZZERS = \
	tests/fuzz/fuzz_coalesce \
	tests/fuzz/fuzz_config \
	tests/fuzz/fuzz_control \
	tests/fuzz/fuzz_control_socket \
	tests/fuzz/fuzz_dhcp \
	tests/fuzz/fuzz_envelope \
	tests/fuzz/fuzz_hook_message \
	tests/fuzz/fuzz_http_answer \
	tests/fuzz/fuzz_offload \
	tests/fuzz/fuzz_packet \
	tests/fuzz/fuzz_plain \
	tests/fuzz/fuzz_sip \
	tests/fuzz/fuzz_stun
noinst_PROGRAMS = $(FUZZERS)
tests_fuzz_fuzz_coalesce_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_coalesce_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_config_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_control_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_control_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_control_socket_LDADD = libio.a libcore.a $(JANSSON_LIBS) $(EV_LIBS) $(INIH_LIBS)
tests_fuzz_fuzz_control_socket_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_dhcp_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_dhcp_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_envelope_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_envelope_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_hook_message_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_hook_message_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_http_answer_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_http_answer_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_offload_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_offload_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_packet_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_packet_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_plain_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_plain_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_sip_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_sip_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_stun_LDADD = libcore.a $(INIH_LIBS)
tests_fuzz_fuzz_stun_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
