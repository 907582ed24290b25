import java.io.Serializable;
import java.net.URI;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.springframework.amqp.core.Queue;
import org.springframework.amqp.rabbit.AsyncRabbitTemplate;
import org.springframework.amqp.rabbit.annotation.EnableRabbit;
import org.springframework.amqp.rabbit.annotation.RabbitListener;
import org.springframework.amqp.rabbit.config.SimpleRabbitListenerContainerFactory;
import org.springframework.amqp.rabbit.connection.CachingConnectionFactory;
import org.springframework.amqp.rabbit.connection.ConnectionFactory;
import org.springframework.amqp.rabbit.core.RabbitAdmin;
import org.springframework.amqp.rabbit.core.RabbitTemplate;
import org.springframework.amqp.rabbit.listener.SimpleMessageListenerContainer;
import org.springframework.amqp.support.converter.Jackson2JsonMessageConverter;
import org.springframework.amqp.support.converter.MessageConverter;
import org.springframework.amqp.support.converter.RemoteInvocationAwareMessageConverterAdapter;
import org.springframework.amqp.support.converter.SimpleMessageConverter;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/**
 * What a Spring application does over RabbitMQ: RabbitTemplate on one side, @RabbitListener on the other, with text, JSON
 * and serialized Java, and each of the ways in which a reply can come back. There is no tracing code here.
 *
 * usage: java Rpc AMQP_URL
 *
 * Prints what the caller saw, a line each, and ends.
 */
public class Rpc {
	public record Order(String item, int pieces) implements Serializable {}

	public record Receipt(int price) implements Serializable {}

	public static class OutOfStockException extends RuntimeException {
		OutOfStockException(String item) {
			super(item + " is out of stock: message-canary", new IllegalStateException("cause-canary"));
		}
	}

	static final CountDownLatch noted = new CountDownLatch(1);

	/** The server. */
	public static class Shop {
		@RabbitListener(queues = "shop.text", containerFactory = "plain")
		public String text(String name) {
			return "hello " + name;
		}

		@RabbitListener(queues = "shop.java", containerFactory = "plain")
		public Receipt java(Order order) {
			return new Receipt(order.pieces() * 3);
		}

		@RabbitListener(queues = "shop.json", containerFactory = "json")
		public Receipt json(Order order) {
			return new Receipt(order.pieces() * 3);
		}

		@RabbitListener(queues = "shop.fails", containerFactory = "plain", returnExceptions = "true")
		public Receipt fails(Order order) {
			throw new OutOfStockException(order.item());
		}

		@RabbitListener(queues = "shop.fails.json", containerFactory = "json", returnExceptions = "true")
		public Receipt failsInJSON(Order order) {
			throw new OutOfStockException(order.item());
		}

		@RabbitListener(queues = "shop.silent", containerFactory = "json")
		public Receipt silent(Order order) {
			throw new OutOfStockException(order.item());
		}

		@RabbitListener(queues = "shop.note", containerFactory = "json")
		public void note(Order order) {
			noted.countDown();
		}
	}

	@Configuration
	@EnableRabbit
	public static class Context {
		@Bean CachingConnectionFactory connections() {
			return new CachingConnectionFactory(URI.create(url));
		}

		@Bean RabbitAdmin admin(ConnectionFactory connections) {
			return new RabbitAdmin(connections);
		}

		@Bean Queue textQueue() { return new Queue("shop.text", false); }
		@Bean Queue javaQueue() { return new Queue("shop.java", false); }
		@Bean Queue jsonQueue() { return new Queue("shop.json", false); }
		@Bean Queue failsQueue() { return new Queue("shop.fails", false); }
		@Bean Queue failsJSONQueue() { return new Queue("shop.fails.json", false); }
		@Bean Queue silentQueue() { return new Queue("shop.silent", false); }
		@Bean Queue noteQueue() { return new Queue("shop.note", false); }
		@Bean Queue fixedQueue() { return new Queue("client.answers", false); }
		@Bean Queue asyncQueue() { return new Queue("client.async", false); }

		@Bean SimpleRabbitListenerContainerFactory plain(ConnectionFactory connections) {
			return listeners(connections, serializing());
		}

		@Bean SimpleRabbitListenerContainerFactory json(ConnectionFactory connections) {
			return listeners(connections, new Jackson2JsonMessageConverter());
		}

		@Bean Shop shop() {
			return new Shop();
		}

		private SimpleRabbitListenerContainerFactory listeners(ConnectionFactory connections, MessageConverter converter) {
			SimpleRabbitListenerContainerFactory f = new SimpleRabbitListenerContainerFactory();
			f.setConnectionFactory(connections);
			f.setMessageConverter(converter);
			f.setDefaultRequeueRejected(false);
			return f;
		}
	}

	static SimpleMessageConverter serializing() {
		SimpleMessageConverter converter = new SimpleMessageConverter();
		converter.addAllowedListPatterns("*");
		return converter;
	}

	static RabbitTemplate template(ConnectionFactory connections, MessageConverter converter) {
		RabbitTemplate t = new RabbitTemplate(connections);
		t.setMessageConverter(converter);
		t.setReplyTimeout(20000);
		return t;
	}

	static void show(String name, Callable<Object> call) {
		try {
			System.out.println(name + ": " + call.call());
		} catch (Exception e) {
			Throwable root = e;
			while (root.getCause() != null && !(root instanceof OutOfStockException)) {
				root = root.getCause();
			}
			System.out.println(name + ": " + root.getClass().getSimpleName());
		}
	}

	static String url;

	public static void main(String[] args) throws Exception {
		url = args[0].replaceAll("/$", ""); // Java's client takes a path of / for the vhost with the empty name
		try (AnnotationConfigApplicationContext context = new AnnotationConfigApplicationContext(Context.class)) {
			CachingConnectionFactory connections = new CachingConnectionFactory(URI.create(url)); // the client's own
			client(connections);
			connections.destroy();
		}
		System.exit(0); // whatever threads the listeners left
	}

	static void client(ConnectionFactory connections) throws Exception {
		MessageConverter json = new Jackson2JsonMessageConverter();
		Order order = new Order("argument-canary", 7);

		RabbitTemplate direct = template(connections, serializing());
		show("text, direct", () -> direct.convertSendAndReceive("shop.text", "bob"));
		show("java, direct", () -> direct.convertSendAndReceive("shop.java", order));

		RabbitTemplate failing = template(connections, new RemoteInvocationAwareMessageConverterAdapter(serializing()));
		show("fails, direct", () -> failing.convertSendAndReceive("shop.fails", order));

		RabbitTemplate jsonDirect = template(connections, json);
		show("json, direct", () -> jsonDirect.convertSendAndReceive("shop.json", order));
		show("fails in JSON, direct", () -> jsonDirect.convertSendAndReceive("shop.fails.json", order));
		RabbitTemplate impatient = template(connections, json);
		impatient.setReplyTimeout(300);
		show("silent, direct", () -> impatient.convertSendAndReceive("shop.silent", order));

		RabbitTemplate temporary = template(connections, json);
		temporary.setUseTemporaryReplyQueues(true);
		show("json, temporary queue", () -> temporary.convertSendAndReceive("shop.json", order));

		RabbitTemplate fixed = template(connections, json);
		fixed.setReplyAddress("client.answers");
		SimpleMessageListenerContainer answers = new SimpleMessageListenerContainer(connections);
		answers.setQueueNames("client.answers");
		answers.setMessageListener(fixed);
		answers.start();
		show("json, fixed queue", () -> fixed.convertSendAndReceive("shop.json", order));
		answers.stop();

		SimpleMessageListenerContainer later = new SimpleMessageListenerContainer(connections);
		later.setQueueNames("client.async");
		AsyncRabbitTemplate async = new AsyncRabbitTemplate(template(connections, json), later);
		async.start();
		show("json, async", () -> async.convertSendAndReceive("shop.json", order).get(20, TimeUnit.SECONDS));
		async.stop();

		jsonDirect.convertAndSend("shop.note", order);
		noted.await(20, TimeUnit.SECONDS);
		System.out.println("note: " + (noted.getCount() == 0 ? "taken" : "lost"));
	}
}
