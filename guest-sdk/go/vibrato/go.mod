module vibrato

go 1.27.1
