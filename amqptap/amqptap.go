package amqptap
