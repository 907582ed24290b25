// What a Moleculer application does over RabbitMQ, with three nodes of its own: requests, one of them nested, events,
// errors and a timeout. There is no tracing code here.
//
// usage: moleculer.js AMQP_URL [balanced]      balanced: the broker hands out requests, not Moleculer
//
// Prints what the caller saw, one JSON object, and ends.
"use strict";
const { ServiceBroker, Errors } = require("moleculer");

Error.stackTraceLimit = 0; // Moleculer sends stacks along, and recordings of them would tell of the machine

const [url, balanced] = process.argv.slice(2);

class NoSuchNameError extends Errors.MoleculerClientError {
	constructor(name) {
		super(`nobody is called ${name}`, 404, "NO_SUCH_NAME");
	}
}

const heard = [];
let finish;
const bothHeard = new Promise(resolve => (finish = resolve));
const hear = what => heard.push(what) === 2 && finish();

const services = {
	greeter: {
		name: "greeter",
		actions: {
			async hello(ctx) {
				const length = await ctx.call("math.add", { a: 6, b: ctx.params.name.length });
				await ctx.emit("greeter.greeted", { name: ctx.params.name });
				await ctx.broadcast("greeter.said", { length });
				return `hello ${ctx.params.name}`;
			},
			lookup(ctx) {
				throw new NoSuchNameError(ctx.params.name);
			},
			slow: () => new Promise(resolve => setTimeout(resolve, 700, "too late"))
		}
	},
	math: { name: "math", actions: { add: ctx => ctx.params.a + ctx.params.b } },
	audit: { name: "audit", events: { "greeter.greeted": () => hear("greeted"), "greeter.said": () => hear("said") } }
};

function node(nodeID, ...names) {
	const broker = new ServiceBroker({
		nodeID,
		namespace: "shop",
		transporter: { type: "AMQP", options: { url } },
		disableBalancer: balanced === "balanced",
		errorHandler: null,
		logger: false
	});
	names.forEach(name => broker.createService(services[name]));
	return broker;
}

const outcome = call => call.then(result => ({ result }), err => ({ error: err.name, code: err.code }));

async function main() {
	const nodes = [node("math-1", "math"), node("greeter-1", "greeter"), node("audit-1", "audit"), node("api-1")];
	await Promise.all(nodes.map(n => n.start()));
	const api = nodes[3];
	await api.waitForServices(["greeter", "math", "audit"]);
	await nodes[1].waitForServices(["math", "audit"]);
	const seen = {
		hello: await outcome(api.call("greeter.hello", { name: "bob" }, { meta: { password: "meta-canary" } })),
		lookup: await outcome(api.call("greeter.lookup", { name: "params-canary" })),
		slow: await outcome(api.call("greeter.slow", {}, { timeout: 200 }))
	};
	await bothHeard;
	await new Promise(resolve => setTimeout(resolve, 800)); // until the late reply of slow has come
	seen.events = heard.sort();
	await Promise.all(nodes.map(n => n.stop()));
	console.log(JSON.stringify(seen));
}

main().catch(err => {
	console.error(err);
	process.exit(1);
});
