# SPDX-License-Identifier: GPL-2.0-or-later
# Two tables of lines with TREE TYPE CONTENDER SECONDS MEGABYTES, one of each round: the medians, and the ratios
# with the bar.

# The median of the numbers in LIST, -1 where there is none; sets "smallest" and "largest".
function median(list, values, count, i, j, swap) {
	count = split(list, values, " ")
	for (i = 2; i <= count; i++)
		for (j = i; j > 1 && values[j - 1] + 0 > values[j] + 0; j--) {
			swap = values[j]
			values[j] = values[j - 1]
			values[j - 1] = swap
		}
	if (count == 0)
		return -1
	smallest = values[1]
	largest = values[count]
	return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
}

function seconds_of(tree, type, contender) {
	return median(seconds[tree, type, contender])
}

# The cell of one contender on one tree: "0.18 / 0.24 s, +16 / 9 MB".
function cell(tree, contender, i, time, memory, bar, value) {
	for (i = 1; i <= type_count; i++) {
		value = seconds_of(tree, type[i], contender)
		if (value < 0)
			return "-"
		time = time bar sprintf("%.3f", value)
		memory = memory bar sprintf("%.0f", median(megabytes[tree, type[i], contender]))
		bar = " / "
	}
	return time " s, +" memory " MB"
}

function row(title, contender, i) {
	printf "%-34s", title
	for (i = 1; i <= tree_count; i++)
		printf " | %-32s", cell(tree[i], contender)
	print ""
}

function limit_row(title, contender, i) {
	printf "%-34s", title
	for (i = 1; i <= tree_count; i++)
		printf " | %-32s", seconds_of(tree[i], "-", contender) < 0 ? "-" : \
			sprintf("%.3f s", seconds_of(tree[i], "-", contender))
	print ""
}

# The seconds that CONTENDER is measured against in one round, 0 where it was not run: of "limit" both rows.
function other(contender, tree, type, round) {
	if (contender == "limit")
		return seconds[tree, "-", "copy", round] * seconds[tree, "-", "files", round] == 0 ? 0 : \
			seconds[tree, "-", "copy", round] + seconds[tree, "-", "files", round]
	return seconds[tree, type, contender, round]
}

# "1.43 (1.38-1.50)": the median of the ratios of each round, and the smallest and largest.
function ratio(ours, contender, tree, type, bar, round, divisor, list, value, text) {
	for (round = 1; round <= rounds[tree, type, ours]; round++) {
		divisor = other(contender, tree, type, round)
		if (divisor > 0)
			list = list " " seconds[tree, type, ours, round] / divisor
	}
	if (list == "")
		return "-"
	value = median(list)
	text = sprintf("%.2f (%.2f-%.2f)", value, smallest, largest)
	return bar ? text sprintf(" of %.2f %s", bar, value <= bar ? "yes" : "NO") : text
}

function ratio_row(title, ours, contender, bars, i, j, bar) {
	split(bars, bar, " ")
	for (j = 1; j <= type_count; j++) {
		printf "%-34s", title ", " type[j]
		for (i = 1; i <= tree_count; i++)
			printf " | %-32s", ratio(ours, contender, tree[i], type[j], bar[number[tree[i]]])
		print ""
	}
}

function memory_row(title, most, i, j, value) {
	for (j = 1; j <= type_count; j++) {
		printf "%-34s", title ", " type[j]
		for (i = 1; i <= tree_count; i++) {
			value = median(megabytes[tree[i], type[j], "ours"])
			printf " | %-32s", value < 0 ? "-" : sprintf("%.1f (%.1f-%.1f) of %d %s", value, smallest, \
				largest, most, value <= most ? "yes" : "NO")
		}
		print ""
	}
}

function head(title, i) {
	printf "\n%-34s", title
	for (i = 1; i <= tree_count; i++)
		printf " | %-32s", tree[i]
	print ""
}

BEGIN {
	tree_count = split(trees, tree, " ")
	type_count = split(types, type, " ")
	number["A"] = 1
	number["B"] = 2
	number["C"] = 3
}

{
	seconds[$1, $2, $3] = seconds[$1, $2, $3] " " $4
	megabytes[$1, $2, $3] = megabytes[$1, $2, $3] " " $5
	seconds[$1, $2, $3, ++rounds[$1, $2, $3]] = $4
}

END {
	head("seconds, megabytes above the source")
	row("ours, all workers", "ours")
	row("ours, one worker", "one")
	row("plain loop, one thread", "plain")
	row("tar | tar, rm", "tar")
	row("cp -a, rm", "cp")
	row("cpio -p, rm", "cpio")
	row("rsync -aHAX, rm", "rsync")
	limit_row("limit: memory copy, 2 threads", "copy")
	limit_row("limit: empty files, 2 threads", "files")

	head("ours to others, round by round")
	ratio_row("both limits (the bar)", "ours", "limit", "1.25 0.30 1.50")
	ratio_row("tar | tar, rm", "ours", "tar")
	ratio_row("cp -a, rm", "ours", "cp")
	ratio_row("cpio -p, rm", "ours", "cpio")
	ratio_row("rsync -aHAX, rm", "ours", "rsync")
	ratio_row("one worker, to plain loop", "one", "plain")
	memory_row("peak, MB (the bar)", 20)
}
