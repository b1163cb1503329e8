// LeaderElectionRecord as JSON, the way client-go writes it.
#pragma once

#include <string>
#include <string_view>

#include "core/store_types.h"
#include "tenure/record.h"

namespace tenure {

/// A larger record is unreadable: nothing legitimate comes near it.
inline constexpr std::size_t kMaxRecordBytes = 64 * 1024;

/// All of client-go's seven keys, then ours, then the unknown ones that were kept. Cannot fail:
/// bytes that are not UTF-8 are replaced (names are checked at the edges).
std::string encode_record(const LeaderElectionRecord& record);

/// Decodes into an observation with this version: record, unreadable or too_new. Never throws.
Observation decode_record(std::string_view bytes, Version version);

}  // namespace tenure
