# An Actor in shell: everything it does with its run it does by the command line in its image.
set -e
PATH="$PWD/node_modules/.bin:$PATH"
actor get-input > given.json
actor set-value COPY - < given.json
actor push-data '[{"n": 1}, {"n": 2}]'
actor get-value COPY
