from tests.builders import a_led_patrol

async def test_smoke(app, seal_all):
    lin, zhao, shift, naming = await a_led_patrol(app)
    print((await lin.get(f"/v1/shifts/{shift}")).text)
    assert await seal_all() == 0
