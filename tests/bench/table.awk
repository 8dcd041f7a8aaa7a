# SPDX-License-Identifier: GPL-2.0-or-later
# Two tables of lines with TREE TYPE CONTENDER SECONDS MEGABYTES: the medians, and the bar.

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
		printf " | %-32s", sprintf("%.3f s", seconds_of(tree[i], "-", contender))
	print ""
}

# What ours is measured against, on one tree and type; below 0 where it was not run.
function rival(what, tree, type, copy) {
	if (what != "limit")
		return seconds_of(tree, type, what)
	copy = seconds_of(tree, "-", "copy")
	return copy < 0 ? -1 : copy + seconds_of(tree, "-", "files")
}

function verdict(value, bar) {
	return sprintf("%5.2f (%.2f) %s", value, bar, value <= bar ? "yes" : "NO")
}

function bar_row(title, ours, what, bars, i, j, bar, time, other) {
	split(bars, bar, " ")
	for (j = 1; j <= type_count; j++) {
		printf "%-34s", title ", " type[j]
		for (i = 1; i <= tree_count; i++) {
			time = seconds_of(tree[i], type[j], ours)
			other = rival(what, tree[i], type[j])
			printf " | %-32s", time < 0 || other <= 0 || !bar[number[tree[i]]] ? "-" : \
				verdict(time / other, bar[number[tree[i]]])
		}
		print ""
	}
}

function memory_row(title, most, i, j, value) {
	for (j = 1; j <= type_count; j++) {
		printf "%-34s", title ", " type[j]
		for (i = 1; i <= tree_count; i++) {
			value = median(megabytes[tree[i], type[j], "ours"])
			printf " | %-32s", value < 0 ? "-" : sprintf("%5.1f (%d) %s", value, most, value <= most ? "yes" : "NO")
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

	head("ours to others (the bar)")
	bar_row("tar | tar, rm", "ours", "tar", "0.38 0.30 0.50")
	bar_row("cp -a, rm", "ours", "cp", "0.33 0.40 0.27")
	bar_row("both limits", "ours", "limit", "0.45 0.35 0.85")
	bar_row("one worker, to tar | tar, rm", "one", "tar", "0.60 0 0")
	memory_row("peak, MB", 20)
}
