"""Hello from Tremolo on uvloop, in one process: `hello.py PORT`."""

import sys

from tremolo import Application

app = Application()


@app.route('/hello')
async def hello(**server):
    yield b'Hello'
    yield b'World!'


if __name__ == '__main__':
    app.run('127.0.0.1', int(sys.argv[1]), worker_num=0, loop='uvloop', log_level='WARNING')
