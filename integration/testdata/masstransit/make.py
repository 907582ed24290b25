"""Writes conversations.jsonl: what MassTransit 8 sends over RabbitMQ, by its documentation and its source.

MassTransit is .NET's and none of the machines that build calltap has .NET, so these messages are not recorded. Envelope and order of its
members: JsonMessageEnvelope.cs; exchanges and addresses: RabbitMqEndpointAddress.cs, RabbitMqMessageNameFormatter.cs; what a consumer
passes on: SendContextExtensions.TransferConsumeContextHeaders; faults: FaultEvent.cs, FaultExceptionInfo.cs.

usage: make.py >conversations.jsonl
"""

import base64
import json

CLOCK = 1795200000.0
CONNECTIONS = {"Shop.Web": "127.0.0.1:40001 -> 127.0.0.1:5672", "Shop.Orders": "127.0.0.1:40002 -> 127.0.0.1:5672",
               "Shop.Mail": "127.0.0.1:40003 -> 127.0.0.1:5672"}
WEB = "HOST_ShopWeb_bus_keyyyyr48oyymi95bdm6qyucnd"  # the endpoint of a bus: temporary, and where its replies go


def guid(n):
    return "7a000000-9a3c-0005-%04x-08d7e7027a0c" % n


def envelope(sender, urns, message, **members):
    activity = members.pop("activity", None)
    body = {k: members[k] for k in ("messageId", "requestId", "correlationId", "conversationId", "initiatorId", "sourceAddress",
                                    "destinationAddress", "responseAddress", "faultAddress") if k in members}
    body["messageType"] = urns
    body["message"] = message
    body["sentTime"] = "2026-11-20T16:40:00.0000000Z"
    body["headers"] = {"MT-Activity-Id": activity} if activity else {}
    body["host"] = {"machineName": "HOST", "processName": sender, "processId": 25968, "assembly": sender, "assemblyVersion": "1.0.0.0",
                    "frameworkVersion": "8.0.11", "massTransitVersion": "8.3.4.0", "operatingSystemVersion": "Unix 6.1.0.0"}
    return body


def emit(at, key, sender, exchange, body, routing_key="", queues=None, **properties):
    headers = dict(body["headers"])  # the transport copies them
    headers.update(properties.pop("headers", {}))
    properties.update(content_type="application/vnd.masstransit+json", delivery_mode=2, message_id=body["messageId"], headers=headers)
    trace = {"exchange_name": exchange, "routing_keys": [routing_key], "properties": properties, "node": "rabbit@HOST", "vhost": "/",
             "connection": CONNECTIONS[sender], "channel": 1, "user": "shop"}
    if key.startswith("publish."):
        trace["routed_queues"] = queues
    else:
        trace["redelivered"] = 0
    text = json.dumps(body, indent=2, ensure_ascii=False)  # as System.Text.Json is told to
    print(json.dumps({"ts": CLOCK + at, "routing_key": key, "headers": trace, "body_b64": base64.b64encode(text.encode()).decode()}))


def sent(at, took, sender, receiver, exchange, queue, body, **properties):
    emit(at, "publish." + exchange, sender, exchange, body, queues=[queue], **properties)
    emit(at + took, "deliver." + queue, receiver, exchange, body, **properties)


def address(name):
    return "rabbitmq://localhost/" + name


def conversation(at, n, outcome):
    """A request from the web, handled by the orders endpoint, which publishes an event, sends a command and answers."""
    ids = {"conversationId": guid(n)}
    request = envelope("Shop.Web", ["urn:message:Shop.Contracts:SubmitOrder"], {"card": "card-canary", "customer": "customer-canary"},
                       messageId=guid(n + 1), requestId=guid(n + 2), correlationId=guid(n + 3),
                       sourceAddress=address(WEB + "?temporary=true"), destinationAddress=address("submit-order"),
                       responseAddress=address(WEB + "?temporary=true"), **ids)
    sent(at, .002, "Shop.Web", "Shop.Orders", "submit-order", "submit-order", request, correlation_id=guid(n + 3), expiration="30000")
    ids.update(initiatorId=guid(n + 3), sourceAddress=address("submit-order"))
    if outcome == "fault":
        fault = envelope("Shop.Orders", ["urn:message:MassTransit:Fault[[Shop.Contracts:SubmitOrder]]", "urn:message:MassTransit:Fault"],
                         {"faultId": guid(n + 4), "faultedMessageId": guid(n + 1), "timestamp": "2026-11-20T16:40:00Z",
                          "exceptions": [{"exceptionType": "Shop.Orders.OutOfStockException", "stackTrace": "stack-canary",
                                          "message": "message-canary", "source": "Shop.Orders"}],
                          "host": {"processName": "not-the-sender"}, "faultMessageTypes": request["messageType"], "message": request["message"]},
                         messageId=guid(n + 5), requestId=guid(n + 2), correlationId=guid(n + 3), destinationAddress=address(WEB), **ids)
        sent(at + .020, .001, "Shop.Orders", "Shop.Web", WEB, WEB, fault)
        error = dict(request, headers={})
        emit(at + .021, "publish.submit-order_error", "Shop.Orders", "submit-order_error", error, queues=["submit-order_error"],
             headers={"MT-Reason": "fault", "MT-Fault-ExceptionType": "Shop.Orders.OutOfStockException", "MT-Fault-Message": "message-canary"})
        return
    event = envelope("Shop.Orders", ["urn:message:Shop.Contracts:OrderSubmitted", "urn:message:Shop.Contracts:IOrderEvent"], {"total": 21},
                     messageId=guid(n + 6), correlationId=guid(n + 7), destinationAddress=address("Shop.Contracts:OrderSubmitted"), **ids)
    sent(at + .010, .002, "Shop.Orders", "Shop.Mail", "Shop.Contracts:OrderSubmitted", "order-mail", event)
    command = envelope("Shop.Orders", ["urn:message:Shop.Contracts:ReserveStock"], {"item": "item-canary"},
                       messageId=guid(n + 8), destinationAddress=address("reserve-stock"), **ids)
    sent(at + .012, .002, "Shop.Orders", "Shop.Mail", "reserve-stock", "reserve-stock", command)
    response = envelope("Shop.Orders", ["urn:message:Shop.Contracts:OrderAccepted"], {"total": 21},
                        messageId=guid(n + 9), requestId=guid(n + 2), destinationAddress=address(WEB), **ids)
    sent(at + .020, .001, "Shop.Orders", "Shop.Web", WEB, WEB, response)


def direct(at, n):
    """A request over direct reply-to, within a trace of .NET's own; the reply's delivery is not shown before RabbitMQ 4.2."""
    reply_to = "amq.rabbitmq.reply-to.g1h2AA5yZXBseUA4NjUxNjU5NgAAAx0AAAAAawC6SQ==.FwGWPDmk/YXlAN607rxDAw=="
    activity = "00-1e03f9b1b84f3d40b7087f2633fadd4a-38ac2fc84b035447-01"
    request = envelope("Shop.Web", ["urn:message:Shop.Contracts:GetPrice"], {}, messageId=guid(n), requestId=guid(n + 1),
                       conversationId=guid(n + 2), sourceAddress=address(WEB), responseAddress=address("amq.rabbitmq.reply-to"), activity=activity)
    sent(at, .001, "Shop.Web", "Shop.Orders", "get-price", "get-price", request, reply_to=reply_to)
    response = envelope("Shop.Orders", ["urn:message:Shop.Contracts:Price"], {"price": 3}, messageId=guid(n + 3), requestId=guid(n + 1),
                        conversationId=guid(n + 2), initiatorId=guid(n + 1), activity="00-1e03f9b1b84f3d40b7087f2633fadd4a-5bd1a3f2cc084b11-01")
    emit(at + .005, "publish.", "Shop.Orders", "", response, routing_key=reply_to, queues=[])


conversation(0, 0x100, "response")
conversation(1, 0x200, "fault")
direct(2, 0x300)
