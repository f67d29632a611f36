#!/usr/bin/env bash
# Builds the images and runs the whole compose file for real, with podman and podman-compose, on the sandbox.
#
# Base images that are not there are made here by debootstrap, under the names the files use; nothing is pulled.
# What building needs to reach a package index here goes into BUILD_OPTIONS, such as "--network host". The build trusts
# whom this machine trusts: CA_BUNDLE, else what SSL_CERT_FILE names, else the bundle of Debian's ca-certificates.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${BUILD_OPTIONS:=}" "${CA_BUNDLE:=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}" "${COMPOSE_TEST_HOME:=${TMPDIR:-/tmp}/cleanplate-compose-test}"
export CONTAINERS_CONF="$COMPOSE_TEST_HOME/containers.conf"
COMPOSE="${PODMAN_COMPOSE:-podman-compose}"
PROJECT=cleanplate-test

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'compose-test: %s\n' "$*" >&2; exit 1; }
for tool in podman runc debootstrap "$COMPOSE"; do
  command -v "$tool" >/dev/null || fail "$tool is missing (apt-get install podman runc debootstrap; pip install podman-compose)"
done
[ -s "$CA_BUNDLE" ] || fail "$CA_BUNDLE is missing, and building has to trust who signs for the package index here" \
  "(apt-get install ca-certificates, or name this machine's own with CA_BUNDLE)"
mkdir -p "$COMPOSE_TEST_HOME"
cat > "$CONTAINERS_CONF" <<END
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"
END
# Containers find each other by their services' names, which is up to a plugin that podman does not bring.
: "${PLUGIN_FOLDERS:=/usr/lib /usr/libexec /usr/local/lib /usr/local/libexec /opt}"
has() { for folder in $PLUGIN_FOLDERS; do [ ! -x "$folder/$1" ] || return 0; done; return 1; }
backend=$(podman info --format '{{.Host.NetworkBackend}}')
case $backend in
  netavark) has podman/aardvark-dns || fail "netavark has no DNS without its plugin (apt-get install aardvark-dns)" ;;
  cni) has cni/dnsname || has cni/bin/dnsname || fail "CNI has no DNS without its plugin dnsname" \
    "(apt-get install golang-github-containernetworking-plugin-dnsname)" ;;
  *) fail "podman tells of a network backend nobody knows here: $backend" ;;
esac
[ ! -e .env ] || fail ".env is there; this test writes its own, move yours away for it"
printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > "$COMPOSE_TEST_HOME/pip.conf"
TRUST="--volume $CA_BUNDLE:/etc/ssl/certs/ca-certificates.crt:ro --volume $COMPOSE_TEST_HOME/pip.conf:/etc/pip.conf:ro"

say "Base images"
base=docker.io/library
if ! podman image exists $base/debian-of-tests:latest; then
  root="$COMPOSE_TEST_HOME/root"
  [ -d "$root/usr/bin" ] || debootstrap --variant=minbase \
    --include=ca-certificates,python3,python3-venv,postgresql,redis-server bookworm "$root" >/dev/null
  tar -C "$root" -c . | podman import --quiet - $base/debian-of-tests:latest
fi
# The compose file names images by digests that only a registry has.
export POSTGRES_IMAGE=$base/postgres:of-tests REDIS_IMAGE=$base/redis:of-tests
PYTHON_IMAGE=$base/python:of-tests
podman image exists $PYTHON_IMAGE || podman build --quiet -t $PYTHON_IMAGE - <<END
FROM $base/debian-of-tests:latest
RUN ln -sf python3 /usr/bin/python
END
# The official image's entry in short: make the database once, run what is to be run in it, then serve.
podman build --quiet -t $POSTGRES_IMAGE - <<'END'
FROM docker.io/library/debian-of-tests:latest
RUN printf '%s\n' '#!/bin/bash' 'set -e' 'bin=$(ls -d /usr/lib/postgresql/*/bin)' 'data=/var/lib/postgresql/data' \
  'mkdir -p $data /var/run/postgresql && chown -R postgres $data /var/run/postgresql && chmod 700 $data' \
  'if [ ! -s $data/PG_VERSION ]; then' \
  '  echo "$POSTGRES_PASSWORD" > /tmp/pw && chown postgres /tmp/pw' \
  '  su postgres -c "$bin/initdb -D $data -U $POSTGRES_USER -E UTF8 --locale=C.UTF-8 --pwfile=/tmp/pw" > /dev/null && rm /tmp/pw' \
  '  echo "host all all all scram-sha-256" >> $data/pg_hba.conf' \
  '  su postgres -c "$bin/pg_ctl -D $data -o \"-c listen_addresses=\" -w start" > /dev/null' \
  '  run() { psql -X -q -v ON_ERROR_STOP=1 -h /var/run/postgresql -U "$POSTGRES_USER" "$@"; }' \
  '  [ "$POSTGRES_DB" = postgres ] || run -d postgres -c "CREATE DATABASE $POSTGRES_DB"' \
  '  for script in /docker-entrypoint-initdb.d/*.sql; do run -d "$POSTGRES_DB" -f "$script"; done' \
  '  su postgres -c "$bin/pg_ctl -D $data -m fast -w stop" > /dev/null' \
  'fi' 'shift' 'exec su postgres -c "exec $bin/postgres -D $data -c listen_addresses=* $*"' \
  > /usr/local/bin/docker-entrypoint.sh && chmod 755 /usr/local/bin/docker-entrypoint.sh \
  && ln -sf /usr/lib/postgresql/*/bin/pg_isready /usr/local/bin/
END
podman tag $base/debian-of-tests:latest $REDIS_IMAGE

say "Our images"
# shellcheck disable=SC2086
podman build --quiet --pull=never --build-arg PYTHON_IMAGE=$PYTHON_IMAGE $TRUST $BUILD_OPTIONS --target cleanplate -t localhost/cleanplate:latest .
# shellcheck disable=SC2086
podman build --quiet --pull=never --build-arg PYTHON_IMAGE=$PYTHON_IMAGE $TRUST $BUILD_OPTIONS --target sandbox -t localhost/cleanplate-sandbox:latest .
podman run --rm --entrypoint sh localhost/cleanplate:latest -c '
  test "$(id -u)" = 10001 && ! command -v gcc && ! command -v make && ! test -w /opt/cleanplate' \
  || fail "the image runs as root, can be written, or has build tools"

say "Up"
env_file="$COMPOSE_TEST_HOME/env"
password() { od -An -tx1 -N16 /dev/urandom | tr -d ' \n'; }
flower="ops:$(password)"
sed -e "s|^POSTGRES_PASSWORD=.*|POSTGRES_PASSWORD=$(password)|" -e "s|^DATABASE_PASSWORD=.*|DATABASE_PASSWORD=$(password)|" \
  -e "s|^REDIS_PASSWORD=.*|REDIS_PASSWORD=$(password)|" \
  -e "s|^FLOWER_BASIC_AUTH=.*|FLOWER_BASIC_AUTH=$flower|" -e "s|^REMOVAL_RATE=.*|REMOVAL_RATE=10|" \
  -e "s|^REMOVAL_API_URL=.*|REMOVAL_API_URL=http://sandbox:8090/rest/ai/image/removal|" \
  -e "s|^FETCH_ALLOW_PRIVATE=.*|FETCH_ALLOW_PRIVATE=sandbox|" -e "s|^COMPOSE_PROFILES=.*||" \
  -e "s|^# WEB_PUBLISH=.*|WEB_PUBLISH=127.0.0.1:18080|" -e "s|^# FLOWER_PUBLISH=.*|FLOWER_PUBLISH=127.0.0.1:15555|" \
  -e "s|^# LEASE_SECONDS=.*|LEASE_SECONDS=6|" .env.example > "$env_file"
cp "$env_file" .env
compose() { "$COMPOSE" -p $PROJECT --profile sandbox "$@"; }
end() {
  local status=$?
  [ $status = 0 ] || compose logs 2>/dev/null | tail -60
  # podman-compose looks after the first container of each service only.
  compose down -v >/dev/null 2>&1 || true
  podman ps -aq --filter "name=^${PROJECT}[_-]" | xargs -r podman rm --force --volumes >/dev/null 2>&1 || true
  podman pod ls -q --filter "name=$PROJECT" | xargs -r podman pod rm --force >/dev/null 2>&1 || true
  podman network rm --force "${PROJECT}_inside" >/dev/null 2>&1 || true
  podman volume ls -q --filter "name=^${PROJECT}_" | xargs -r podman volume rm --force >/dev/null 2>&1 || true
  rm -f .env
  exit $status
}
trap end EXIT
run() { podman exec "${PROJECT}_web_1" cleanplate "$@"; }
container() { podman ps -a --format '{{.Names}}' --filter "name=^${PROJECT}[_-]$1[_-]"; }
wait_for() { # SECONDS WHAT COMMAND…
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || fail "$what did not come"
    sleep 1
  done
}
# podman 4 knows neither healthy nor completed dependencies, so that their order is kept here.
compose up -d --no-build --no-deps postgres redis sandbox
wait_for 60 "PostgreSQL" podman exec ${PROJECT}_postgres_1 pg_isready -q -U postgres -d cleanplate -h 127.0.0.1
wait_for 60 "Redis" podman exec ${PROJECT}_redis_1 sh -c 'redis-cli ping | grep -q PONG'
compose up -d --no-build --no-deps migrate
[ "$(podman wait ${PROJECT}_migrate_1)" = 0 ] || fail "the migration failed"
compose up -d --no-build --no-deps --scale dispatcher=2 web dispatcher worker flower
wait_for 120 "the web application" curl -fsS http://127.0.0.1:18080/healthz
[ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:18080/metrics)" = 401 ] || fail "metrics are open outside"
wait_for 60 "Flower" curl -fsS -u "$flower" http://127.0.0.1:15555/healthcheck
[ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:15555/metrics)" = 401 ] || fail "Flower's metrics are open"
for role in dispatcher worker; do
  wait_for 60 "a healthy $role" podman exec "$(container $role | sed -n 1p)" cleanplate health "$role"
done
[ "$(container dispatcher | wc -l)" = 2 ] || fail "there are not two dispatchers"
podman exec "$(container worker | sed -n 1p)" sh -c 'touch /opt/x 2>/dev/null || touch /etc/x 2>/dev/null' && fail "a worker can write its own file system"

podman exec ${PROJECT}_postgres_1 psql -X -q -U postgres -d cleanplate -Atc "SELECT rolsuper OR rolcreatedb OR rolcreaterole
  FROM pg_roles WHERE rolname = 'cleanplate'" | grep -qx f || fail "the application's role may more than it needs"
told() { podman exec "$(container "$1" | sed -n 1p)" env | sed 's/=.*//'; }
! told web | grep -E 'REMOVAL_API_SECRET|POSTGRES_PASSWORD|GRAFANA' || fail "web is told what it need not know"
! told worker | grep -E 'FLOWER_BASIC_AUTH|SHOP_TOKEN_KEY|PASSWORD' || fail "a worker is told what it need not know"
! told flower | grep -E 'DATABASE_URL|REMOVAL|S3_|PASSWORD' || fail "Flower is told what it need not know"
[ "$(podman exec "$(container worker | sed -n 1p)" printenv LEASE_SECONDS)" = 6 ] || fail "what .env says does not reach a worker"
for role in web worker flower; do
  podman exec "$(container $role | sed -n 1p)" sh -c 'test "$(df -m --output=size /tmp | tail -1)" -le 480' || fail "/tmp of $role has no bound"
done

say "Photos, a second and a third worker, and one that is killed"
token=$(run token create test)
photos=$(mktemp -d)
podman run --rm -v "$photos:/out" --user 0 --entrypoint python localhost/cleanplate:latest -c '
from PIL import Image, ImageDraw
for n in range(60):
    image = Image.new("RGB", (640, 640), (200, 205, 210 - n))
    draw = ImageDraw.Draw(image)
    draw.ellipse((160, 160, 480, 480), fill=(90, 100 + n, 140))
    draw.rectangle((20, 560, 620, 620), fill=(220, 30, 30))
    draw.text((60, 570), f"SALE {n} FREE SHIPPING", fill="white", font_size=36)
    image.save(f"/out/p{n}.jpg", quality=92)'
files=(); for file in "$photos"/*.jpg; do files+=(-F "files=@$file"); done
batch=$(curl -fsS -H "Authorization: Bearer $token" "${files[@]}" http://127.0.0.1:18080/v1/batches/files \
  | sed 's/.*"id":\([0-9]*\).*/\1/')
compose up -d --no-build --no-deps --scale worker=3 worker >/dev/null 2>&1
wait_for 60 "three workers" sh -c "[ \$(podman ps --format '{{.Names}}' | grep -c '${PROJECT}_worker_') = 3 ]"
sleep 2
killed_worker=$(container worker | sed -n 1p)
podman kill --signal KILL "$killed_worker" >/dev/null
show() { curl -fsS -H "Authorization: Bearer $token" "http://127.0.0.1:18080/v1/batches/$batch"; }
wait_for 240 "the end of the batch" sh -c "curl -fsS -H 'Authorization: Bearer $token' http://127.0.0.1:18080/v1/batches/$batch | grep -q '\"state\":\"finished\"'"
show | grep -q '"succeeded":60' || { show; fail "not all photos are clean"; }

say "One dispatcher is killed, the other leads"
killed_dispatcher=$(container dispatcher | sed -n 1p)
podman kill --signal KILL "$killed_dispatcher" >/dev/null
again=$(curl -fsS -H "Authorization: Bearer $token" -F "files=@$photos/p0.jpg" http://127.0.0.1:18080/v1/batches/files \
  | sed 's/.*"id":\([0-9]*\).*/\1/')
wait_for 60 "the other dispatcher" sh -c "curl -fsS -H 'Authorization: Bearer $token' http://127.0.0.1:18080/v1/batches/$again | grep -q '\"succeeded\":1'"
rm -rf "$photos"

say "Down"
began=$SECONDS
for role in worker dispatcher web flower sandbox redis postgres; do
  container "$role" | xargs -r podman stop --time 45 >/dev/null
done
[ -z "$(podman ps -q --filter "name=^${PROJECT}[_-]")" ] || fail "something still runs"
for role in worker dispatcher web; do
  for name in $(container "$role"); do
    code=$(podman inspect --format '{{.State.ExitCode}}' "$name")
    [ "$code" = 0 ] || [ "$name" = "$killed_worker" ] || [ "$name" = "$killed_dispatcher" ] || fail "$name ended with $code"
  done
done
echo "stopped in $((SECONDS - began)) s"
say "The compose file works: 60 photos, three workers, one killed, none lost"
