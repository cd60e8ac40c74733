# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154 # LAB_DIR and others are lab.sh's
# The HTTP proxies of the lab, in `access`, and a Kerberos realm for them.  Sourced
# after lab.sh.

readonly proxy_name=proxy.example.net proxy_port=3128 realm=EXAMPLE.NET

# squid_start [LINE]...: of squid.conf, on authentication and access.
squid_start() {
	local dir=$LAB_DIR/squid
	mkdir -p "$dir"
	chown proxy: "$dir"
	{
		cat <<-END
			http_port $proxy_port
			hosts_file /etc/hosts
			pid_filename $dir/squid.pid
			coredump_dir $dir
			access_log none
			cache_log $dir/cache.log
			cache deny all
			pinger_enable off
			netdb_filename none
			shutdown_lifetime 0 seconds
			visible_hostname $proxy_name
			acl tunnel method CONNECT
		END
		printf '%s\n' "$@"
		echo 'http_access deny all'
	} >"$dir/squid.conf"
	lab_spawn access squid squid -N -n "lab$$" -f "$dir/squid.conf"
	wait_for 20 lab_is_listening access "$proxy_port"
}

tinyproxy_start() {
	printf '%s\n' "Port $proxy_port" 'Timeout 60' 'MaxClients 20' "$@" >"$LAB_DIR/tinyproxy.conf"
	lab_spawn access tinyproxy tinyproxy -d -c "$LAB_DIR/tinyproxy.conf"
	wait_for 5 lab_is_listening access "$proxy_port"
}

# hostile_start [OPTION]...: of tests/tools/hostile_proxy.py.
hostile_start() {
	lab_spawn access hostile "$lab_top/tests/tools/hostile_proxy.py" --bind "$LAB_PROXY4" \
		--port "$proxy_port" "$@"
	wait_for 5 lab_is_listening access "$proxy_port"
}

# A realm of its own: the proxy's service and alice, each with a key table.
kdc_start() {
	local dir=$LAB_DIR/kdc
	mkdir -p "$dir"
	chmod 755 "$dir"
	cat >"$dir/krb5.conf" <<-END
		[libdefaults]
			default_realm = $realm
			dns_lookup_kdc = false
			dns_lookup_realm = false
			dns_canonicalize_hostname = false
			rdns = false
		[realms]
			$realm = {
				kdc = $LAB_PROXY4:88
			}
		[domain_realm]
			.example.net = $realm
	END
	cat >"$dir/kdc.conf" <<-END
		[kdcdefaults]
			kdc_listen = 88
			kdc_tcp_listen = 88
		[realms]
			$realm = {
				database_name = $dir/principal
				key_stash_file = $dir/stash
				acl_file = $dir/acl
			}
	END
	export KRB5_CONFIG=$dir/krb5.conf KRB5_KDC_PROFILE=$dir/kdc.conf
	kdb5_util create -s -P master -r "$realm"
	kadmin.local -r "$realm" -q "addprinc -randkey HTTP/$proxy_name"
	kadmin.local -r "$realm" -q "addprinc -randkey alice"
	kadmin.local -r "$realm" -q "ktadd -k $dir/proxy.keytab HTTP/$proxy_name"
	kadmin.local -r "$realm" -q "ktadd -k $dir/alice.keytab alice"
	chown proxy: "$dir/proxy.keytab"
	lab_spawn access kdc krb5kdc -n -r "$realm"
	wait_for 5 lab_is_listening access 88
}
