// LeaderElectionRecord as a value of the JSON library, for codecs that put it into something larger
// or under other keys; record_codec.h has its text.
#pragma once

#include <string>

#include "core/bounded_json.h"
#include "core/store_types.h"
#include "tenure/record.h"

namespace tenure {

/// The keys of encode_record(), in its order.
Json json_of_record(const LeaderElectionRecord& record);

/// record.unknown_json; null when there are none.
Json unknown_keys_of(const LeaderElectionRecord& record);

/// A write id as the record has it: 32 hexadecimal digits.
std::string text_of_write_id(const WriteId& id);

/// As decode_record(), which has the words for what is wrong. `json` must be an object.
Observation observation_of_json(Json json, Version version);

}  // namespace tenure
