#!/bin/bash
# Fetches what the tests and the demo stand on: RabbitMQ, Zipkin, StatsD, and the RPC libraries of Python, Node.js and Java.
#
# System packages come through apt when we are root and something is missing; no service is
# started. All else goes into .parts/ of this checkout. A second run finds everything and is quick.
#
# usage: parts.sh [rabbitmq] [python] [zipkin] [statsd] [moleculer] [spring] [race] [proxies]      (default: all but proxies)
# proxies are nginx and HAProxy, which only the benchmarks run, beside calltap.
# exit status: 0 all there; 1 something is missing, named on standard error.
set -u
cd "$(dirname "$0")/.."
parts=$PWD/.parts
want=${*:-rabbitmq python zipkin statsd moleculer spring race}
mkdir -p "$parts"
missing=0

say()  { echo "parts: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
lost() { say "MISSING $1"; missing=1; }
needs() { [[ " $want " == *" $1 "* ]]; }

rabbitmq_there() { [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || [ -x /opt/rabbitmq/sbin/rabbitmq-server ] || have rabbitmq-server; }
proxy_there()    { [ -x "/usr/sbin/$1" ] || have "$1"; }
python_there()   { have python3 && python3 -c 'import venv, ensurepip' 2>/dev/null; }

# Packages of the system, all in one apt run.
packages=
needs proxies && ! proxy_there nginx && packages+=" nginx-light"
needs proxies && ! proxy_there haproxy && packages+=" haproxy"
needs rabbitmq && ! rabbitmq_there && packages+=" rabbitmq-server"
needs python && ! python_there && packages+=" python3-venv"
if needs zipkin; then
  have java || packages+=" default-jre-headless"
  [ -e "$parts/zipkin.jar" ] || have mvn || packages+=" maven"
fi
if needs statsd; then
  have node || packages+=" nodejs"
  [ -e "$parts/node/node_modules/statsd/stats.js" ] || have npm || packages+=" npm"
fi
if needs moleculer; then
  have node || packages+=" nodejs"
  [ -e "$parts/moleculer/node_modules/moleculer" ] || have npm || packages+=" npm"
fi
if needs spring; then
  have javac || packages+=" default-jdk-headless"
  [ -e "$parts/spring/pom.xml" ] || have mvn || packages+=" maven"
fi
needs race && ! have "${CC:-cc}" && packages+=" gcc libc6-dev" # go test -race
if [ -n "$packages" ]; then
  if [ "$(id -u)" != 0 ] || ! have apt-get; then
    say "please install:$packages"
  else
    say "installing:$packages"
    # Debian starts a service as soon as it is installed; this file, only while we install, forbids it.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
      trap 'rm -f "$policy"' EXIT
      printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
    fi
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -q && apt-get install -qy --no-install-recommends $packages; } >"$parts/apt.log" 2>&1 ||
      { say "apt-get failed, the end of .parts/apt.log:"; tail -5 "$parts/apt.log" >&2; }
  fi
fi
needs rabbitmq && ! rabbitmq_there && lost "rabbitmq-server"
needs proxies && for proxy in nginx haproxy; do proxy_there $proxy || lost "$proxy"; done

if needs python && ! cmp -s integration/apps/requirements.txt "$parts/venv/requirements.txt"; then
  say "python: the libraries of integration/apps/requirements.txt into .parts/venv"
  rm -rf "$parts/venv" # not venv --clear, which would empty what a link of another checkout leads to
  { python3 -m venv "$parts/venv" &&
    "$parts/venv/bin/pip" install -q --no-cache-dir -r integration/apps/requirements.txt &&
    cp integration/apps/requirements.txt "$parts/venv/"; } >"$parts/pip.log" 2>&1 ||
    { tail -5 "$parts/pip.log" >&2; rm -rf "$parts/venv"; lost "python libraries"; }
fi

# The server is one executable jar; a copy in the user's own Maven folder will do.
jar=io/zipkin/zipkin-server/3.5.1/zipkin-server-3.5.1-exec.jar
if needs zipkin && [ ! -e "$parts/zipkin.jar" ]; then
  if [ ! -e "${HOME:-/nonexistent}/.m2/repository/$jar" ]; then
    say "zipkin 3.5.1 from Maven Central (130 MB)"
    mvn -q -B dependency:get -Dmaven.repo.local="$parts/m2" -Dartifact=io.zipkin:zipkin-server:3.5.1:jar:exec \
      -Dtransitive=false >"$parts/mvn.log" 2>&1 || tail -5 "$parts/mvn.log" >&2
  fi
  for repository in "${HOME:-/nonexistent}/.m2/repository" "$parts/m2"; do
    [ -e "$repository/$jar" ] && ln -sf "$repository/$jar" "$parts/zipkin.jar"
  done
  [ -e "$parts/zipkin.jar" ] || lost "zipkin server"
fi
needs zipkin && ! have java && lost "java"

if needs statsd && [ ! -e "$parts/node/node_modules/statsd/stats.js" ]; then
  say "statsd 0.9.0 from npm"
  npm install --prefix "$parts/node" --cache "$parts/npm" --ignore-scripts --no-audit --no-fund \
    --omit=optional statsd@0.9.0 >"$parts/npm.log" 2>&1 || { tail -5 "$parts/npm.log" >&2; lost "statsd"; }
fi
needs statsd && ! have node && lost "node"

if needs moleculer && [ ! -e "$parts/moleculer/node_modules/moleculer" ]; then
  say "moleculer 0.14.36 and amqplib 0.10.9 from npm"
  npm install --prefix "$parts/moleculer" --cache "$parts/npm" --ignore-scripts --no-audit --no-fund \
    --omit=optional --omit=peer moleculer@0.14.36 amqplib@0.10.9 >"$parts/moleculer.log" 2>&1 ||
    { tail -5 "$parts/moleculer.log" >&2; rm -rf "$parts/moleculer"; lost "moleculer"; }
fi
needs moleculer && ! have node && lost "node"

if needs spring && ! cmp -s integration/apps/spring/pom.xml "$parts/spring/pom.xml"; then
  say "spring-rabbit and what it needs from Maven Central, into .parts/spring"
  rm -rf "$parts/spring"
  { mvn -q -B -f integration/apps/spring/pom.xml dependency:copy-dependencies -Dmaven.repo.local="$parts/m2" \
      -DoutputDirectory="$parts/spring/lib" && cp integration/apps/spring/pom.xml "$parts/spring/"; } >"$parts/spring.log" 2>&1 ||
    { tail -5 "$parts/spring.log" >&2; rm -rf "$parts/spring"; lost "spring-rabbit"; }
fi
needs spring && ! have javac && lost "javac"

exit $missing
