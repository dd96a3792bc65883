_mtad() {
	local path=mtad word next
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case "$path $word" in
		'mtad learn' | 'mtad queue' | 'mtad queue list' | 'mtad queue messages' | 'mtad queue show' | 'mtad queue retry' | 'mtad queue move' | 'mtad queue drop' | 'mtad ctl' | 'mtad ctl token' | 'mtad ctl token add' | 'mtad ctl token list' | 'mtad ctl token delete' | 'mtad ctl settings' | 'mtad ctl settings accept' | 'mtad ctl queues' | 'mtad ctl messages' | 'mtad ctl message' | 'mtad ctl retry' | 'mtad ctl move' | 'mtad ctl drop' | 'mtad ctl inject' | 'mtad ctl render' | 'mtad ctl pauses' | 'mtad ctl pause' | 'mtad ctl resume' | 'mtad ctl errors' | 'mtad ctl suppress' | 'mtad ctl list' | 'mtad ctl add' | 'mtad ctl set' | 'mtad ctl delete' | 'mtad ctl stats' | 'mtad ctl explain' | 'mtad ctl probe' | 'mtad ctl floods' | 'mtad ctl services' | 'mtad ctl webhook' | 'mtad ctl webhook state' | 'mtad ctl webhook dead' | 'mtad ctl webhook replay' | 'mtad ctl log-level' | 'mtad ctl dkim' | 'mtad ctl dkim make' | 'mtad ctl dkim show' | 'mtad ctl dkim rotate' | 'mtad ctl dkim use' | 'mtad ctl dkim withdraw' | 'mtad ctl logs' | 'mtad ctl preflight' | 'mtad probe' | 'mtad preflight' | 'mtad log') path="$path $word" ;;
		esac
	done
	case $path in
	'mtad') next='run queue ctl probe doctor preflight log learn help --config-file --envelope --check-config --version --help --list-ips --list-cluster --notify-cluster --repair-database --purge-database --fetch-license --yes --extract-recipients --ignore-dot --smtp-ip --smtp-port --smtp-secure-port --smtp-range --smtp-auth --auth-exempt --smtp-username --smtp-password --smtp-auth-required --smtp-certificate --smtp-key --smtp-ciphers --smtp-proxy --smtp-maxrecipients --smtp-transaction-timeout --smtp-busy --smtp-connections-client --smtp-binarymime --smtp-priority --smtp-future-release --smtp-deliver-by --smtp-line-ends --smtp-maxsize --smtp-memory --smtp-timeout --smtp-threads --smtp-connections --smtp-connections-in --smtp-connections-out --smtp-hostname --smtp-protection --smtp-check --smtp-auth-results --smtp-validate-address --smtp-extract --smtp-default-ips --smtp-mappable-ips --smtp-unmappable-ips --dsn-advertise --smtp-greeting --default-domain --submission-port --spamassassin-host --spamassassin-port --clamav-address --clamav-database --dnsbl-zones --spam-reject-score --spam-subject --virus-action --virus-fail --dmarc-enforce --dnsbl-reject --max-delivertime --max-attempts --retry-interval --validate-envelope --validate-recipient --smarthost --smarthost-port --smarthost-username --smarthost-password --smarthost-plaintext --smtp-sink-address --smtp-sink-port --smtp-sink-username --smtp-sink-password --dsn-notify --dsn-ret --smtp-routes --allow-private-targets --bounce-from --bounce-host --double-bounce-to --double-bounce-host --bounce-limit --bounce-delay --receivers-file --bounce-texts --sign-library --verp --verp-all --verp-lifetime --suppression-key --verp-unsubscribe --unsubscribe-url --domain-maxmessages --domain-maxconnects --domain-maxconnections --domain-maxqueue --ip-maxmessages --ip-maxconnects --ip-maxconnections --connection-maxmessages --connection-maxidle --smtp-out-multi-recipient --connection-secure --tls-policy --preflight-sample --tls-report-from --proxy-server --download-cache --download-ttl --download-user-agent --download-proxy --download-blacklist --download-whitelist --dns-servers --dns-trust-ad --dns-min-ttl --dns-timeout --dns-interval --dns-attempts --dns-capacity --dns-sockets --dns-buffersize --dns-rotate --queue-address --redis-address --rabbitmq-address --rabbitmq-outbox --rabbitmq-inbox --rabbitmq-local --rabbitmq-reports --rabbitmq-feedback --rabbitmq-refused --rabbitmq-dsn --rabbitmq-results --rabbitmq-success --rabbitmq-failure --rabbitmq-retry --storage-address --storage-policy --storage-ttl --storage-timeout --storage-reschedule --storage-threads --rabbitmq-verify --rabbitmq-exchange --rabbitmq-declare --rabbitmq-durable --rabbitmq-persistent --rabbitmq-lazy --rabbitmq-queue-type --rabbitmq-maxpriority --rabbitmq-consumers --rabbitmq-publishers --rabbitmq-qos --rabbitmq-minqos --rabbitmq-flush-qos --rabbitmq-throttle --rabbitmq-encoding --cluster-address --cluster-exchange --cluster-verify --cluster-timeout --server-id --database-address --database-ttl --database-validate --database-required --www-port --www-ip --www-secure-port --www-certificate --www-privatekey --www-ciphers --www-auth --www-password --www-dir --www-connections --www-host --www-url --www-cache-control --idempotency-ttl --idempotency-keys --render-useragent --application-log --application-log-format --application-log-level --send-log-file --send-log-format --send-bin-log-file --received-log-file --received-log-format --received-bin-log-file --download-log-file --download-log-format --download-bin-log-file --www-log-file --www-log-format --www-bin-log-file --metrics-address --metrics-domains --metrics-sources --traces-url --traces-ratio --webhook-url --webhook-secret --webhook-retries --webhook-extract --webhook-filter --webhook-whitelist --webhook-batch --webhook-delay --webhook-timeout --webhook-connections --webhook-queue --webhook-journal --webhook-journal-size --spool-directory --spool-fail-directory --spool-delay --spool-remove --spool-extract --spool-open-files --spool-threads --user --lock --daemon --paused --loopback' ;;
	'mtad learn') next='spam ham forget --config-file --user --json' ;;
	'mtad queue') next='list messages show retry move drop --help --config-file --url --token-file --token --json' ;;
	'mtad queue list') next='--help --config-file --url --token-file --token --json' ;;
	'mtad queue messages') next='--help --config-file --url --token-file --token --json --queue --id --domain --sender --recipient --tag --state --older-than --newer-than --text --limit --cursor' ;;
	'mtad queue show') next='--help --config-file --url --token-file --token --json' ;;
	'mtad queue retry') next='--help --config-file --url --token-file --token --json --queue --id --domain --sender --recipient --tag --state --older-than --newer-than --text --all --dry-run' ;;
	'mtad queue move') next='--help --config-file --url --token-file --token --json --queue --id --domain --sender --recipient --tag --state --older-than --newer-than --text --all --dry-run --to' ;;
	'mtad queue drop') next='--help --config-file --url --token-file --token --json --queue --id --domain --sender --recipient --tag --state --older-than --newer-than --text --all --dry-run' ;;
	'mtad ctl') next='token settings queues messages message retry move drop inject render pauses pause resume errors suppress list add set delete stats explain probe floods services webhook log-level dkim logs preflight --help --config-file --url --token-file --token --json' ;;
	'mtad ctl token') next='add list delete --help --config-file --url --token-file --token --json' ;;
	'mtad ctl token add') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl token list') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl token delete') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl settings') next='accept --help --config-file --url --token-file --token --json' ;;
	'mtad ctl settings accept') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl queues') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl messages') next='--help --config-file --url --token-file --token --json --queue --id --domain --sender --recipient --tag --state --older-than --newer-than --text --limit --cursor' ;;
	'mtad ctl message') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl retry') next='--help --config-file --url --token-file --token --json --queue --id --domain --sender --recipient --tag --state --older-than --newer-than --text --all --dry-run' ;;
	'mtad ctl move') next='--help --config-file --url --token-file --token --json --queue --id --domain --sender --recipient --tag --state --older-than --newer-than --text --all --dry-run --to' ;;
	'mtad ctl drop') next='--help --config-file --url --token-file --token --json --queue --id --domain --sender --recipient --tag --state --older-than --newer-than --text --all --dry-run' ;;
	'mtad ctl inject') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl render') next='--help --config-file --url --token-file --token --json --download' ;;
	'mtad ctl pauses') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl pause') next='--help --config-file --url --token-file --token --json --pool --mta --domain --ip --tag --cluster --all --expire' ;;
	'mtad ctl resume') next='--help --config-file --url --token-file --token --json --pool --mta --domain --ip --tag --cluster --flood --name' ;;
	'mtad ctl errors') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl suppress') next='--help --config-file --url --token-file --token --json --type --code --extended --description' ;;
	'mtad ctl list') next='--help --config-file --url --token-file --token --json --search' ;;
	'mtad ctl add') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl set') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl delete') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl stats') next='--help --config-file --url --token-file --token --json --by --mta --domain --tag' ;;
	'mtad ctl explain') next='--help --config-file --url --token-file --token --json --ip' ;;
	'mtad ctl probe') next='--help --config-file --url --token-file --token --json --requiretls' ;;
	'mtad ctl floods') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl services') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl webhook') next='state dead replay --help --config-file --url --token-file --token --json' ;;
	'mtad ctl webhook state') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl webhook dead') next='--help --config-file --url --token-file --token --json --from --limit' ;;
	'mtad ctl webhook replay') next='--help --config-file --url --token-file --token --json --from' ;;
	'mtad ctl log-level') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl dkim') next='make show rotate use withdraw --help --config-file --url --token-file --token --json' ;;
	'mtad ctl dkim make') next='--help --config-file --url --token-file --token --json --algorithm' ;;
	'mtad ctl dkim show') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl dkim rotate') next='--help --config-file --url --token-file --token --json --selector --algorithm' ;;
	'mtad ctl dkim use') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl dkim withdraw') next='--help --config-file --url --token-file --token --json' ;;
	'mtad ctl logs') next='--help --config-file --url --token-file --token --json --kind --from --to --address --domain --ip --tag --id --outcome --class --code --text --limit --cursor' ;;
	'mtad ctl preflight') next='--help --config-file --url --token-file --token --json --envelope --source --unsigned --transactional' ;;
	'mtad probe') next='--help --config-file --url --token-file --token --json --requiretls' ;;
	'mtad preflight') next='--help --config-file --url --token-file --token --json --envelope --source --unsigned --transactional' ;;
	'mtad log') next='--help --last --from --to --rcpt --sender --user --domain --ip --tag --code --class --text --source --local --remote --sort --limit --detail --json --follow --config-file --file' ;;
	esac
	COMPREPLY=($(compgen -W "$next" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _mtad mtad
