// What guards have found in one request, for the audit log.
#include "audit_notes.h"

#include <gtest/gtest.h>

#include <string>

#include "loom/base/block_pool.h"

namespace loom::proxy {
namespace {

/// A guard outside of Loom may name a thousand spans, all of a few types.
TEST(AuditNotes, WhatIsFoundOftenIsKeptOnce) {
    BlockPool pool;
    Arena arena(pool, 1024);
    AuditNotes notes(arena);
    for (int i = 0; i < 100'000; ++i) {
        std::string type = "TYPE_" + std::to_string(i % 30);
        notes.add(GuardSide::request, "guard.lakera", type, "mask", std::nullopt);
        type.assign(type.size(), 'x');  // whose bytes are gone
    }
    ASSERT_EQ(notes.finds().size(), observe::AuditRecord::finds_max);
    for (size_t i = 0; i < notes.finds().size(); ++i) EXPECT_EQ(notes.finds()[i].type, "TYPE_" + std::to_string(i));
    EXPECT_LE(pool.live_bytes(), 2 * AuditNotes::memory_bytes + 4096);
}

}  // namespace
}  // namespace loom::proxy
