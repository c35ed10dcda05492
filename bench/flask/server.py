"""The logging server as it is usually written: Flask, confluent-kafka, and a flush for every request."""

import json
import os
from datetime import datetime, timezone

from confluent_kafka import Producer
from flask import Flask, jsonify, request

app = Flask(__name__)
producer = Producer({"bootstrap.servers": os.environ["FLOE_KAFKA_BROKERS"], "acks": "all", "linger.ms": 0})
topic = os.environ["FLOE_TOPIC"]


@app.get("/log")
def log():
    city = request.args.get("city")
    temperature = request.args.get("temperature")
    if not city or not temperature:
        return jsonify(status="error", message="city and temperature are required"), 400
    data = {"city": city, "temperature": temperature, "ts": datetime.now(timezone.utc).strftime("%Y-%m-%d-%H")}
    errors = []
    producer.produce(topic, json.dumps(data), callback=lambda error, _: error and errors.append(error))
    if producer.flush(10) > 0 or errors:
        return jsonify(status="error", message="not delivered"), 503
    return jsonify(status="success", message="Weather data logged", data=data)


@app.get("/health")
def health():
    return jsonify(status="healthy")
