# SPDX-License-Identifier: Apache-2.0
#
# Transactions at the same time, thousands of times, and others each time that this is run.

load ../bats/interleaving

@test "thousands of orders of kernel calls" {
	local seed
	seed=$(date +%s)
	echo "# from seed $seed" >&3
	at_once "$seed" 5000
}
