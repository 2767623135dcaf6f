"""A bare python-telegram-bot that does the same and stores nothing: the measure for benches/end_to_end.rs."""

import asyncio
import os
import shutil

from telegram.ext import Application, CommandHandler


async def status(update, context):
    one, five, fifteen = os.getloadavg()
    disk = shutil.disk_usage("/")
    used = 100 * disk.used // disk.total
    await update.message.reply_text(f"Load {one:.2f} {five:.2f} {fifteen:.2f}\nroot {used} %")


async def run(update, context):
    program = await asyncio.create_subprocess_exec(
        os.environ["SCRIPT"], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await program.communicate()
    await update.message.reply_text(f"exit {program.returncode}\n{output.decode()}")


api = os.environ["API"]
app = Application.builder().token(os.environ["TOKEN"]).base_url(f"{api}/bot").build()
app.add_handler(CommandHandler("status", status))
app.add_handler(CommandHandler("run", run))
app.run_polling(allowed_updates=["message"])
