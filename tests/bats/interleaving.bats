# SPDX-License-Identifier: Apache-2.0
#
# Transactions at the same time, in an order of kernel calls that is drawn (tests/fault/concurrent.c, which also says how what failed is
# repeated). tests/long/interleaving.bats draws more.

load interleaving

@test "whatever the order in which transactions at once come to the kernel: all end, as one after the other would" {
	at_once orders 1 120
}

@test "one that claims much has its turn among those that never cease to claim little" {
	at_once turns 1 8
}
