"""The insides of Faust, aiokafka, uvicorn and redis-py that modules lean on; each says below which one.

A failure here says that an upgrade changed one of them: read the new source against the module that is named, mend
what must be, run both integration suites, and only then note the new hash.
"""

from __future__ import annotations

import hashlib
import inspect
from importlib import import_module
from importlib.metadata import version
from typing import Any

import pytest
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer

from streams.transport import ChunkClient, ChunkConsumer

LEANED_ON = {
    # streams/transport.py: where records become messages
    "faust.transport.consumer:Consumer._drain_messages": "44a2500309e8",
    "faust.transport.consumer:Consumer.getmany": "4b168d84882a",
    "faust.transport.consumer:Consumer._wait_next_records": "6218e1969a63",
    "faust.transport.consumer:ThreadDelegateConsumer._getmany": "f9d47aa9010b",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread.getmany": "26fc5fc9f3b6",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._fetch_records": "39a2c6c79fc1",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._create_worker_consumer": "c2701bfc3e6f",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread.__post_init__": "913dc7c0d957",
    "faust.transport.drivers.aiokafka:Consumer._to_message": "7c24f6511b2f",
    "faust.types.tuples:ConsumerMessage.on_final_ack": "45d670b6a8ac",
    "aiokafka.consumer.fetcher:Fetcher.fetched_records": "be4348896b9b",
    "aiokafka.consumer.fetcher:Fetcher._proc_fetch_request": "59bf948fff47",
    "aiokafka.consumer.fetcher:FetchResult.__init__": "126a3e45763b",
    "aiokafka.consumer.fetcher:PartitionRecords._unpack_records": "b803e6d46480",
    "aiokafka.consumer.fetcher:PartitionRecords._consumer_record": "e668541600b0",
    "aiokafka.consumer.fetcher:Fetcher._create_fetch_waiter": "61d840568746",
    "aiokafka.consumer.fetcher:Fetcher.seek_to": "f0ba6aba6c22",
    "aiokafka.consumer.fetcher:FetchResult.getall": "3e717e30de50",
    "aiokafka.consumer.consumer:AIOKafkaConsumer.start": "2f1ba7044332",
    "aiokafka.consumer.consumer:AIOKafkaConsumer.seek": "a9430f1f3b9a",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread.on_thread_stop": "8dfc004e258b",
    "aiokafka.consumer.consumer:AIOKafkaConsumer.stop": "bc5da9c98595",
    # the client in the worker's own loop
    "mode.threads:ServiceThread.__init__": "82979878990c",
    "mode.threads:ServiceThread.start": "f11841038a03",
    "mode.threads:ServiceThread.stop": "32d026539c36",
    "mode.threads:ServiceThread.crash": "68a766aadc5f",
    "mode.threads:ServiceThread.set_shutdown": "ada84bf0cade",
    "mode.threads:ServiceThread._serve": "67809eae0957",
    "mode.threads:ServiceThread._shutdown_thread": "d7377862e734",
    "mode.threads:ServiceThread._gather_remaining_tasks": "6f65b92dd101",
    "mode.threads:ServiceThread._start_thread": "a06373478446",
    "mode.threads:QueueServiceThread.call_thread": "479edda75b54",
    "mode.threads:WorkerThread": "e213e6b441f9",
    "faust.transport.consumer:ThreadDelegateConsumer.threadsafe_partitions_revoked": "6c55d67e9eb0",
    # acknowledgements and commits
    "faust.transport.consumer:Consumer.ack": "5fcf41cf4515",
    "faust.transport.consumer:Consumer.force_commit": "cc094614d22c",
    "faust.transport.consumer:Consumer._commit_tps": "a20e230b05ae",
    "faust.transport.consumer:Consumer._filter_committable_offsets": "dc5e9baf5d99",
    "faust.transport.consumer:Consumer._should_commit": "5ce941793947",
    "faust.transport.consumer:Consumer._commit_offsets": "1a6979904118",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._commit": "932852ce7a23",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread.verify_event_path": "b983e7735f64",
    "aiokafka.consumer.subscription_state:TopicPartitionState": "2b83334afadf",
    # rebalances and flow
    "faust.transport.consumer:Consumer.pause_partitions": "27a1c94bdacd",
    "faust.transport.consumer:Consumer.resume_partitions": "afe6b7c02a41",
    "faust.transport.consumer:Consumer._get_active_partitions": "b24897f3c7af",
    "faust.transport.consumer:Consumer.on_partitions_revoked": "d04b7ae72c6f",
    "faust.transport.consumer:Consumer.on_partitions_assigned": "29ce96596f05",
    "faust.transport.consumer:Consumer.perform_seek": "0e8c130ff4b0",
    "faust.transport.drivers.aiokafka:ConsumerRebalanceListener.on_partitions_revoked": "348c3aec879f",
    "faust.transport.drivers.aiokafka:ConsumerRebalanceListener.on_partitions_assigned": "1c1f8406ad36",
    "faust.app.base:App._on_partitions_revoked": "d5c895bbe57d",
    "faust.app.base:App._on_partitions_assigned": "de932b7927db",
    "faust.app.base:App._stop_consumer": "55854a5de12c",
    "faust.tables.recovery:Recovery._resume_streams": "d986a6710c1a",
    "faust.transport.conductor:ConductorCompiler.build": "837cf521368c",
    "faust.transport.consumer:Fetcher._fetcher": "68f894f0b577",
    "faust.agents.agent:Agent._execute_actor": "c750b828d2bd",
    # streams/fence.py: the fence's transactions, and the idempotent producer under their identity
    "aiokafka.producer.producer:AIOKafkaProducer.begin_transaction": "f5128199fc27",
    "aiokafka.producer.producer:AIOKafkaProducer.abort_transaction": "e93a2aba6d76",
    "aiokafka.producer.producer:AIOKafkaProducer.send_batch": "bf42b0f0c5c0",
    "aiokafka.producer.transaction_manager:TransactionManager.set_pid_and_epoch": "1e174622d40d",
    "aiokafka.producer.transaction_manager:TransactionManager.maybe_add_partition_to_txn": "e0a118be379a",
    "aiokafka.producer.transaction_manager:TransactionManager.partition_added": "fa545b6995db",
    "aiokafka.producer.transaction_manager:TransactionManager.error_transaction": "5c72d40ab25e",
    "aiokafka.producer.transaction_manager:TransactionManager.fatal_error": "8e9fd08dc500",
    "aiokafka.producer.sender:Sender._maybe_wait_for_pid": "577189636b56",
    "aiokafka.producer.sender:Sender._sender_routine": "2380dc5e333d",
    "aiokafka.producer.sender:SendProduceReqHandler.handle_response": "850323cc8f77",
    # streams/upkeep.py: what fails in silence, and when the group is left
    "aiokafka.consumer.group_coordinator:GroupCoordinator._push_error_to_user": "743ff515bd7e",
    "aiokafka.consumer.group_coordinator:GroupCoordinator.check_errors": "ba6ca51ad348",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._coordination_routine": "75273e127d4a",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._heartbeat_routine": "61d010289522",
    "aiokafka.consumer.group_coordinator:GroupCoordinator.ensure_active_group": "33c84c1a9301",
    "aiokafka.consumer.group_coordinator:GroupCoordinator.request_rejoin": "f70a261c91c3",
    "aiokafka.consumer.fetcher:Fetcher._fetch_requests_routine": "2a8ec5932644",
    # streams/bootstrap.py: when a client counts as started
    "aiokafka.client:AIOKafkaClient.bootstrap": "198943b004e5",
    "aiokafka.client:AIOKafkaClient._metadata_update": "06dc51ed3e0d",
    "aiokafka.client:AIOKafkaClient.coordinator_lookup": "19cc69fb75f8",
    # streams/chunk_app.py: what a leader gives out
    "faust.assignor.partition_assignor:PartitionAssignor.assign": "25f1cbbba9d4",
    "faust.assignor.partition_assignor:PartitionAssignor._get_copartitioned_groups": "82b7a3764ad5",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._perform_assignment": "a5cf61fa9732",
    "aiokafka.consumer.group_coordinator:CoordinatorGroupRebalance._on_join_leader": "c57a3e85197d",
    # streams/http/guard.py: what is counted and timed before there is a request
    "uvicorn.protocols.http.httptools_impl:HttpToolsProtocol": "18fdf324b11b",
    # streams/http/listen.py: starting and stopping it in a loop of ours
    "uvicorn.server:Server.serve": "112ef41af521",
    "uvicorn.server:Server.shutdown": "9b33c5056299",
    # state/lane.py: a connection that is taken over once redis-py has opened it
    "redis._parsers.base:BaseParser.parse_error": "66c735931d7e",
    "redis.asyncio.connection:AbstractConnection._close": "b016d934cc45",
    "redis.asyncio.connection:AbstractConnection.__del__": "43833913903d",
    "redis.asyncio.connection:Connection._connect": "24cd655d5f27",
    "redis.asyncio.connection:UnixDomainSocketConnection._connect": "c46949736cee",
    "redis.asyncio.connection:AbstractConnection.connect_check_health": "5cfa2c49e83e",
    "redis.asyncio.connection:ConnectionPool.make_connection": "d6f95077e241",
    # streams/consumers.py: how a consumer is stopped
    "aiokafka.consumer.fetcher:Fetcher.close": "1cd24bc1c442",
    "aiokafka.consumer.group_coordinator:GroupCoordinator.close": "f30d83108945",
    "aiokafka.consumer.group_coordinator:NoGroupCoordinator.close": "3d97a58a3e56",
    # streams/producers.py: giving up
    "aiokafka.producer.producer:AIOKafkaProducer.stop": "43ef97147111",
    "aiokafka.producer.sender:Sender.close": "f60b3d023d25",
    "aiokafka.producer.message_accumulator:MessageAccumulator.fail_all": "f1e12e8100bf",
}


def source_hash(place: str) -> str:
    module, _, path = place.partition(":")
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    source = inspect.getsource(inspect.unwrap(getattr(found, "fun", found)))  # Faust wraps its tasks in an object
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def test_the_versions_are_the_pinned_ones() -> None:
    assert (version("faust-streaming"), version("aiokafka"), version("uvicorn")) == ("0.15.3", "0.14.0", "0.54.0")
    assert (version("mode-streaming"), version("redis")) == ("0.7.1", "8.1.0")


@pytest.mark.parametrize("place", LEANED_ON)
def test_the_source_is_the_one_that_was_read(place: str) -> None:
    assert source_hash(place) == LEANED_ON[place]


@pytest.mark.parametrize(("ours", "base"), [(ChunkConsumer, Consumer), (ChunkClient, AIOKafkaConsumerThread)])
def test_what_is_overridden_is_there_and_takes_the_same(ours: type, base: type) -> None:
    own = {"__init__", "_chunks", "chunks", "_message", "_tp", "go_on", "hold_back", "place", "read", "release", "wake"}
    overridden = {name: method for name, method in vars(ours).items() if inspect.isfunction(method) and name not in own}
    assert overridden
    for name, method in overridden.items():
        theirs = inspect.signature(getattr(base, name))
        assert list(inspect.signature(method).parameters) == list(theirs.parameters), name
