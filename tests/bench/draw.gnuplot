# SPDX-License-Identifier: GPL-2.0-or-later
# Draws what "draw" has measured; the current directory holds the numbers.
set terminal svg size 800,400 dynamic font 'sans-serif,13' background 'white'
set style data lines
set grid linecolor '#dddddd'
set border 3
set tics nomirror

set output figures.'/memory.svg'
set title 'Moving a Debian tree of 580 MB: memory above the source'
set xlabel 'seconds'
set ylabel 'MB'
set yrange [0:*]
set key outside right
plot 'ours' title 'tmpfsroot' linewidth 3 linecolor '#c03030', \
	'plain' title 'plain loop' linewidth 2 linecolor '#e0a030', \
	'tar' title 'tar | tar, rm' linewidth 2 linecolor '#3060c0', \
	'cp' title 'cp -a, rm' linewidth 2 linecolor '#30a0a0', \
	'cpio' title 'cpio -p, rm' linewidth 2 linecolor '#8050b0', \
	'rsync' title 'rsync, rm' linewidth 2 linecolor '#808080'

# Both axes logarithmic: growth with the size has the slope of the dotted line.
set output figures.'/linear.svg'
set multiplot layout 1,2
set logscale xy
set format y '%g'
set yrange [*:*]
set ylabel 'seconds'
set key left top inside
stats 'bytes-tmpfs' using (log($2 / $1)) name 'B' nooutput
stats 'files-tmpfs' using (log($2 / $1)) name 'F' nooutput
set title 'Files of 1 MiB'
set xlabel 'MiB'
set xtics (64, 256, 1024, 4096, 16384)
set xrange [50:20000]
plot 'bytes-tmpfs' with linespoints title 'tmpfs' linecolor '#c03030' linewidth 2 pointtype 7 pointsize 0.5, \
	'bytes-ramfs' with linespoints title 'ramfs' linecolor '#3060c0' linewidth 2 pointtype 7 pointsize 0.5, \
	exp(B_median) * x title 'linear' dashtype 3 linecolor '#808080'
set title 'Files of 1 KiB'
set xlabel 'files'
set xtics ('1,000' 1000, '10,000' 10000, '100,000' 100000, '1,000,000' 1000000)
set xrange [800:1300000]
plot 'files-tmpfs' with linespoints title 'tmpfs' linecolor '#c03030' linewidth 2 pointtype 7 pointsize 0.5, \
	'files-ramfs' with linespoints title 'ramfs' linecolor '#3060c0' linewidth 2 pointtype 7 pointsize 0.5, \
	exp(F_median) * x title 'linear' dashtype 3 linecolor '#808080'
unset multiplot
