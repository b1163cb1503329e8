// A lock record as a coordination.k8s.io/v1 Lease, the way client-go's LeaseLock reads and writes
// it. https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/
//
// What a Lease has no field for stands in annotations:
//   tenure.dev/write-id, cluster, format, resign-epoch
//   tenure.dev/write-of    the renewTime, transitions and holder that the write id belongs to
// Go programs leave annotations alone when they write the spec, so a write id counts only while
// write-of still says what the spec says; otherwise the record is another program's.
//
// A version is "resourceVersion@uid". The uid matters: an update of a Lease that has been deleted
// would otherwise create it again, whatever resourceVersion it names. With the uid, the server
// answers 409.
//
// Pure; no function throws.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/store_types.h"
#include "store/store.h"
#include "tenure/record.h"

namespace tenure {

/// The object to create (`version` empty) or to replace. record.unknown_json carries the labels,
/// owners, finalizers, foreign annotations and fields that decode_lease has found.
std::string encode_lease(const LeaderElectionRecord& record, const std::string& namespace_name,
                         const std::string& name, const Version& version);

/// Whether it came from decode_lease; no other can be the current one.
bool may_be_lease_version(std::string_view version);

/// record, unreadable or too_new.
Observation decode_lease(std::string_view bytes);

/// One page of a LeaseList.
struct LeasePage {
  bool readable = false;
  std::vector<ListedLock> locks;
  std::string next;  ///< the token for the next page; empty: this was the last
};
LeasePage decode_lease_list(std::string_view bytes);

/// The version in an answer that is a Lease, without looking at the rest; empty when it has none.
Version lease_version(std::string_view bytes);

/// The version in one line of a watch; empty for an ERROR and for what is no event.
Version watched_version(std::string_view line);
/// What such a line says of the record: absent when the Lease was deleted.
Observation decode_watched_lease(std::string_view line);

/// A Lease's name is a DNS subdomain: lower-case letters, digits, '-' and '.', at most 253 bytes
/// (RFC 1123, kubernetes.io/docs/concepts/overview/working-with-objects/names).
Status check_lease_name(std::string_view name);

}  // namespace tenure
