# SPDX-License-Identifier: Apache-2.0
#
# Transactions at the same time, thousands of times, and others each time that this is run.

load ../bats/interleaving

@test "thousands of orders of kernel calls" {
	local seed
	seed=$(date +%s)
	echo "# from seed $seed" >&3
	at_once orders "$seed" 5000
}

@test "hundreds that claim much, among those that never cease to claim little" {
	at_once turns 1 300
}
